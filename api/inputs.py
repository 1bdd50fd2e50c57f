"""Finds the files that a program wants to see."""

import asyncio
from collections.abc import Collection, Iterable

from api.errors import BadRequestError, RunFailedError
from api.file_references import FileReferenceRequest
from executor.messages import FailureKind
from storage.errors import (
    SessionNotFoundError,
    StorageUnavailableError,
    StoredFileNotFoundError,
)
from storage.records import FileEntry
from storage.sessions import Sessions


async def find_inputs(
    sessions: Sessions, tenant: str, references: Collection[FileReferenceRequest]
) -> tuple[FileEntry, ...]:
    """Return the entries that `references` name, in their order.

    The recorded name wins over the requested one, so destinations are compared here.

    Raises:
        RunFailedError: One is unknown, expired or another tenant's, which are not told
            apart; or storage does not answer.
        BadRequestError: Two of them would lie in each other's place.
    """
    by_session: dict[str, list[FileReferenceRequest]] = {}
    for reference in references:
        by_session.setdefault(reference.session_id, []).append(reference)

    async def find(wanted: list[FileReferenceRequest]) -> list[FileEntry]:
        # One after the other within a session: the first look-up fetches its record.
        return [await _find(sessions, tenant, reference) for reference in wanted]

    try:
        found = await asyncio.gather(*map(find, by_session.values()))
    except (SessionNotFoundError, StoredFileNotFoundError) as fault:
        raise RunFailedError(FailureKind.INPUT_UNAVAILABLE) from fault
    except StorageUnavailableError as fault:
        raise RunFailedError(FailureKind.STORAGE_UNAVAILABLE) from fault
    entries = {
        (reference.session_id, reference.id): entry
        for wanted, group in zip(by_session.values(), found, strict=True)
        for reference, entry in zip(wanted, group, strict=True)
    }
    inputs = tuple(entries[reference.session_id, reference.id] for reference in references)
    check_destinations(entry.name for entry in inputs)
    return inputs


async def _find(sessions: Sessions, tenant: str, reference: FileReferenceRequest) -> FileEntry:
    entry = await sessions.find_file(tenant, reference.session_id, reference.id)
    # How the file came into the session that was asked is history; here it is an input.
    return entry.model_copy(
        update={
            "entity_id": reference.entity_id,
            "inherited": False,
            "modified_from": None,
        }
    )


def check_destinations(names: Iterable[str]) -> None:
    """Refuse names that cannot all exist in one folder.

    Raises:
        BadRequestError: Two are the same, or one would be a folder of another.
    """
    taken: set[str] = set()
    for name in names:
        if name in taken:
            raise BadRequestError(
                "bad_request", f'files contains duplicate destination "{name}"'
            )
        taken.add(name)
    for name in sorted(taken):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in taken:
                raise BadRequestError(
                    "bad_request",
                    f'files contains conflicting destinations "{folder}" and "{name}"',
                )
