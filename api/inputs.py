"""Finds the files that a program wants to see."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from api.caller import Caller
from api.destinations import DestinationError, Destinations
from api.errors import BadRequestError, RunFailedError
from api.file_references import MAX_REFERENCES, FileReferenceRequest
from api.scopes import require_use
from executor.messages import FailureKind
from storage.errors import (
    SessionNotFoundError,
    StorageUnavailableError,
    StoredFileNotFoundError,
)
from storage.records import FileEntry, SessionRecord
from storage.sessions import Sessions, file_of

FOLDER_MARKER = ".dirkeep"
"""The name of an empty file that stands for the folder it lies in (librechat-contract 3.5)."""

T = TypeVar("T")


async def find_inputs(
    sessions: Sessions, caller: Caller, references: Collection[FileReferenceRequest]
) -> tuple[FileEntry, ...]:
    """Return the entries that `references` name, in their order, and then folder markers.

    A reference may name a file under an execution that had it as an input. The recorded name
    wins over the requested one, so destinations are compared here.

    Raises:
        RunFailedError: One is unknown, expired or another tenant's, which are not told
            apart; or storage does not answer.
        ForbiddenError: One is in a session of the tenant's that is not for the caller.
        BadRequestError: Two of them would lie in each other's place.
    """
    try:
        records = await _records(sessions, caller.tenant, references)
        inputs = tuple(_find(caller, records, reference) for reference in references)
        await _confirm(sessions, caller.tenant, references, inputs)
    except (SessionNotFoundError, StoredFileNotFoundError) as fault:
        raise RunFailedError(FailureKind.INPUT_UNAVAILABLE) from fault
    except StorageUnavailableError as fault:
        raise RunFailedError(FailureKind.STORAGE_UNAVAILABLE) from fault
    destinations = Destinations()
    try:
        for entry in inputs:
            destinations.add(entry.name)
    except DestinationError as fault:
        raise BadRequestError("bad_request", str(fault)) from fault
    return (*inputs, *_markers(records, destinations))


async def _records(
    sessions: Sessions, tenant: str, references: Iterable[FileReferenceRequest]
) -> dict[str, SessionRecord | BaseException]:
    """Load each session once. What fails is told later, in the order of the references."""
    ids = list(dict.fromkeys(reference.session_id for reference in references))
    loaded = await _all(sessions.load(tenant, session_id) for session_id in ids)
    return dict(zip(ids, loaded, strict=True))


def _find(
    caller: Caller,
    records: dict[str, SessionRecord | BaseException],
    reference: FileReferenceRequest,
) -> FileEntry:
    record = records[reference.session_id]
    if isinstance(record, BaseException):
        raise record
    require_use(caller, record, reference.asked, error="Unauthorized file reference")
    # How the file came into the session that was asked is history; here it is an input.
    return file_of(record, reference.id).model_copy(
        update={
            "entity_id": reference.asked.entity_id,
            "inherited": False,
            "modified_from": None,
        }
    )


async def _confirm(
    sessions: Sessions,
    tenant: str,
    references: Iterable[FileReferenceRequest],
    inputs: Iterable[FileEntry],
) -> None:
    """Look whether files that lie in other sessions than were asked are still there."""
    asked: dict[str, list[FileEntry]] = {}
    for reference, entry in zip(references, inputs, strict=True):
        asked.setdefault(reference.session_id, []).append(entry)
    looks = (sessions.confirm(tenant, session_id, found) for session_id, found in asked.items())
    for outcome in await _all(looks):
        if outcome is not None:
            raise outcome


def _markers(
    records: dict[str, SessionRecord | BaseException], destinations: Destinations
) -> Iterable[FileEntry]:
    """Pick the folder markers of every session that was asked.

    So an empty folder survives, though no client refers to it. What has no place beside the
    inputs, or is beyond their number, is left out.
    """
    for record in records.values():
        for entry in record.files if isinstance(record, SessionRecord) else ():
            if len(destinations) < MAX_REFERENCES and entry.name.endswith(f"/{FOLDER_MARKER}"):
                with suppress(DestinationError):
                    destinations.add(entry.name)
                    yield entry.model_copy(update={"inherited": False, "modified_from": None})


async def _all(waiting: Iterable[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    return await asyncio.gather(*waiting, return_exceptions=True)
