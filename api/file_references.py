"""The `files` of a request: references to stored files (librechat-contract 2.2)."""

import re
from dataclasses import dataclass

import msgspec

from api.errors import BadRequestError
from api.json_object import NULL, decode, is_text, read_optional, read_text, size_bytes
from api.names import check_file_name
from api.scopes import RESOURCE_ID, AskedScope, check_kind, check_version
from storage.records import ID_PATTERN

MAX_REFERENCES = 255
"""256 inputs, of which the program itself is one."""
MAX_REFERENCES_BYTES = 1024 * 1024
"""Of JSON: 4 KiB a reference, ten times what clients send."""

SESSION_ID = re.compile(ID_PATTERN)
KIND = re.compile("[a-z]{1,16}")
_WHERE_IDS_ARE = (
    "Ids are 21 letters, digits, `_` and `-`, as uploads and runs answer with them."
)


class _Fields(msgspec.Struct):
    id: msgspec.Raw = NULL
    resource_id: msgspec.Raw = NULL
    storage_session_id: msgspec.Raw = NULL
    session_id: msgspec.Raw = NULL
    name: msgspec.Raw = NULL
    kind: msgspec.Raw = NULL
    version: msgspec.Raw = NULL
    entity_id: msgspec.Raw = NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReferenceRequest:
    """An input as the client names it; whether it exists is not known yet."""

    id: str
    session_id: str
    asked: AskedScope
    """Whose it is; its `entity_id` is echoed with the file."""


def read_references(field: msgspec.Raw) -> tuple[FileReferenceRequest, ...]:
    """Check `files`; absent, null and empty are the same.

    Raises:
        BadRequestError: In the contract's words and order; the first failure wins.
    """
    too_many = BadRequestError(
        f"files must not exceed {MAX_REFERENCES} entries",
        "A program can have 256 input files, itself included.",
    )
    if size_bytes(field) > MAX_REFERENCES_BYTES:
        raise too_many
    problem = BadRequestError("files must be an array")
    entries = read_optional(field, list[msgspec.Raw], problem) or []
    if len(entries) > MAX_REFERENCES:
        raise too_many
    return tuple(_reference(entry, index) for index, entry in enumerate(entries))


def _reference(entry: msgspec.Raw, index: int) -> FileReferenceRequest:
    where = f"files[{index}]"
    if bytes(entry)[:1] != b"{":
        raise BadRequestError(f"{where} must be an object")
    fields = decode(entry, _Fields)
    file_id = _matching(fields.id, SESSION_ID)
    if file_id is None:
        raise BadRequestError(f"{where}.id is invalid", _WHERE_IDS_ARE)
    if fields.resource_id != NULL and not _matching(fields.resource_id, RESOURCE_ID):
        raise BadRequestError(f"{where}.resource_id is invalid")
    older = fields.storage_session_id == NULL
    session = fields.session_id if older else fields.storage_session_id
    session_id = _matching(session, SESSION_ID)
    if session_id is None:
        raise BadRequestError(f"{where}.storage_session_id is invalid", _WHERE_IDS_ARE)
    name = read_text(fields.name, f"{where}.name")
    if name is None:
        raise BadRequestError(f"{where}.name must be a string")
    check_file_name(name)
    kind = None if fields.kind == NULL else _matching(fields.kind, KIND) or "none"
    check_kind(kind, where=f"{where}.")
    problem = BadRequestError(f"{where}.version must be a number for kind: 'skill'")
    version = read_optional(fields.version, int, problem)
    check_version(kind, is_given=version is not None, where=f"{where}.")
    return FileReferenceRequest(
        id=file_id,
        session_id=session_id,
        asked=AskedScope(
            kind=kind,
            id=_matching(fields.resource_id, RESOURCE_ID),
            version=version,
            entity_id=_matching(fields.entity_id, RESOURCE_ID),
        ),
    )


def _matching(field: msgspec.Raw, pattern: re.Pattern[str]) -> str | None:
    """Return the field if it is a string of that form."""
    text = read_text(field, "text") if is_text(field) else None
    return text if text is not None and pattern.fullmatch(text) else None
