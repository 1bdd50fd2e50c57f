"""Finds the files that a program wants to see."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

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

Records = Mapping[str, SessionRecord | BaseException]
"""Sessions by their ids, or what kept one from being loaded."""


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
        asked = await _records(sessions, caller.tenant, (ref.session_id for ref in references))
        inputs = tuple(_find(caller, asked, reference) for reference in references)
        markers = tuple(_markers(asked.values()))
        homes = {entry.storage_session_id for entry in (*inputs, *markers)} - asked.keys()
        records = asked | await _records(sessions, caller.tenant, homes)
        for entry in inputs:
            _confirm(records, entry)
        markers = tuple(entry for entry in markers if _is_there(records, entry))
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
    return (*inputs, *_with_room(markers, destinations))


async def _records(
    sessions: Sessions, tenant: str, session_ids: Iterable[str]
) -> dict[str, SessionRecord | BaseException]:
    """Load each session once. What fails is told where the record is wanted."""
    ids = list(dict.fromkeys(session_ids))
    loading = (sessions.load(tenant, session_id) for session_id in ids)
    return dict(zip(ids, await asyncio.gather(*loading, return_exceptions=True), strict=True))


def _record(records: Records, session_id: str) -> SessionRecord:
    record = records[session_id]
    if isinstance(record, BaseException):
        raise record
    return record


def _find(caller: Caller, records: Records, reference: FileReferenceRequest) -> FileEntry:
    record = _record(records, reference.session_id)
    require_use(caller, record, reference.asked, error="Unauthorized file reference")
    # How the file came into the session that was asked is history; here it is an input.
    return file_of(record, reference.id).model_copy(
        update={
            "entity_id": reference.asked.entity_id,
            "inherited": False,
            "modified_from": None,
        }
    )


def _confirm(records: Records, entry: FileEntry) -> None:
    """Look whether a file is still where it lies, which may be another session than asked.

    Raises:
        SessionNotFoundError, StoredFileNotFoundError: It has been deleted there, and so is
            gone under every other session as well.
    """
    file_of(_record(records, entry.storage_session_id), entry.id)


def _is_there(records: Records, entry: FileEntry) -> bool:
    try:
        _confirm(records, entry)
    except (SessionNotFoundError, StoredFileNotFoundError):
        return False
    return True


def _markers(records: Iterable[SessionRecord | BaseException]) -> Iterable[FileEntry]:
    """Pick the folder markers of every session that was asked.

    So an empty folder survives, though no client refers to it.
    """
    for record in records:
        for entry in record.files if isinstance(record, SessionRecord) else ():
            if entry.name.endswith(f"/{FOLDER_MARKER}"):
                yield entry.model_copy(update={"inherited": False, "modified_from": None})


def _with_room(markers: Iterable[FileEntry], destinations: Destinations) -> Iterable[FileEntry]:
    """Leave out what has no place beside the inputs, or is beyond their number."""
    for marker in markers:
        if len(destinations) < MAX_REFERENCES:
            with suppress(DestinationError):
                destinations.add(marker.name)
                yield marker
