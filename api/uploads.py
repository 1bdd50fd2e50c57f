"""Stores the files of a form as a new session (librechat-contract 2.3)."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from api.caller import Caller
from api.errors import BadRequestError
from api.file_references import RESOURCE_ID, check_scope
from api.multipart_form import FilePart, FormField
from api.names import check_file_name
from storage.content_types import content_type_of
from storage.errors import StorageError
from storage.ids import new_id
from storage.records import FileEntry, Scope, SessionRecord
from storage.sessions import Sessions

logger = logging.getLogger(__name__)

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""RFC 6838 4.2. The type is sent back in a header, so nothing else may pass."""


@dataclass(slots=True)
class Upload:
    """A session being made. Nothing of it can be reached until it is saved."""

    caller: Caller
    sessions: Sessions
    max_file_bytes: int
    session_id: str = field(default_factory=new_id)
    _entries: list[FileEntry] = field(default_factory=list[FileEntry])
    _fields: dict[str, str] = field(default_factory=dict[str, str])

    async def receive(self, parts: AsyncIterator[FormField | FilePart]) -> SessionRecord:
        """Store every file of the form, then the record; the order of parts is free.

        Nothing is left behind if that fails.

        Raises:
            BadRequestError: A name, a field or the form is wrong, or it holds no file.
            ObjectTooLargeError: A file is larger than allowed.
            StorageUnavailableError: Object storage failed; the client may try again.
            Exception: Whatever `parts` raises passes through.
        """
        try:
            async for part in parts:
                if isinstance(part, FormField):
                    self._fields[part.name] = part.value
                else:
                    self._entries.append(await self._store(part))
            record = self._record()
            await self.sessions.save(self.caller.tenant, record)
        except BaseException:
            await self._discard()
            raise
        return record

    async def _store(self, part: FilePart) -> FileEntry:
        check_file_name(part.filename)
        given = part.content_type or ""
        return await self.sessions.store_file(
            self.caller.tenant,
            self.session_id,
            name=part.filename,
            body=part.chunks,
            content_type=(
                given if _MEDIA_TYPE.fullmatch(given) else content_type_of(part.filename)
            ),
            max_bytes=self.max_file_bytes,
        )

    def _record(self) -> SessionRecord:
        if not self._entries:
            raise BadRequestError(
                "No file provided",
                "Send it as a form part that has a filename, such as `curl -F file=@data.csv`.",
            )
        read_only = self._fields.get("read_only", "").lower() == "true"
        return SessionRecord(
            session_id=self.session_id,
            origin="upload",
            user=self.caller.user,
            scope=scope_of(self._fields),
            created_at=self._entries[0].created_at,  # It expires with its first file.
            files=tuple(
                entry.model_copy(update={"read_only": read_only}) for entry in self._entries
            ),
        )

    async def _discard(self) -> None:
        try:
            await self.sessions.discard(self.caller.tenant, self.session_id)
        except StorageError as fault:
            # Without a record nobody reaches the files; the bucket's rule expires them.
            logger.warning("left orphans of session %s: %r", self.session_id, fault)


def scope_of(fields: dict[str, str]) -> Scope:
    """Read whom an upload is for (librechat-contract 2.0); empty fields count as absent.

    Raises:
        BadRequestError: The fields contradict each other.
    """
    kind = fields.get("kind") or "user"
    given_id = fields.get("id") or None
    entity_id = fields.get("entity_id") or None
    version = fields.get("version") or None
    if version is not None and not re.fullmatch(r"-?[0-9]{1,15}", version):
        raise BadRequestError("version must be a number for kind: 'skill'")
    number = int(version) if version is not None else None
    if kind in {"agent", "skill"} and given_id is None:
        raise BadRequestError(f"id is required for kind: '{kind}'")
    check_scope(kind, number)
    for name, value in (("id", given_id), ("entity_id", entity_id)):
        if value is not None and not RESOURCE_ID.fullmatch(value):
            raise BadRequestError(f"{name} is invalid")
    # A user's own id comes from the credentials; the given one is ignored.
    scope_id = None if kind == "user" else given_id
    return Scope(kind=kind, id=scope_id, version=number, entity_id=entity_id)
