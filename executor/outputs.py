"""What is kept of the files that a program leaves behind (librechat-contract 3.5)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from executor.concurrency import task_group
from executor.delivery import Shipment
from executor.messages import Delivery, RunRequest, SkippedFile
from executor.sandbox import Leftovers, OutputFile, RunLimits, Sandbox
from executor.steps import Steps
from sandbox.supervisor.skips import SkipReason, Skips
from sandbox.supervisor.workspace import is_marker
from storage.errors import StorageUnavailableError
from storage.records import FileEntry, Scope, SessionRecord
from storage.sessions import Sessions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The files that a run ended with, and what became of the others."""

    files: tuple[FileEntry, ...] = ()
    deleted: tuple[str, ...] = ()
    skips: Skips
    lost: tuple[str, ...] = ()
    """Files that object storage refused."""
    delivery: Delivery | None = None

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        """The named ones as a report carries them."""
        return tuple(SkippedFile(name=name, reason=reason) for name, reason in self.skips.named)


async def keep_outputs(
    request: RunRequest,
    sandbox: Sandbox,
    sessions: Sessions,
    limits: RunLimits,
    steps: Steps,
) -> Kept:
    """Store new and changed files, and then the record that makes them known.

    What a program did is worth more than an error: files that storage refuses are left out,
    and counted. A run that begins and ends without files touches no storage. If anything
    else fails, some bytes may lie there without a record: the caller discards them.

    Raises:
        SandboxLostError: The sandbox broke while it was read.
    """
    inputs = {entry.name: entry for entry in request.inputs}
    shipment = Shipment(request, sessions, inputs)
    markers, dropped = await _ship(request, sandbox, shipment)
    leftovers = sandbox.leftovers
    skips = Skips(leftovers.skipped, leftovers.skip_counts)
    for name in dropped:
        skips.add(name, SkipReason.READ_ONLY_INPUT)
    changed = {*shipment.names, *(marker.name for marker in markers)}
    inherited = _inherited(request, leftovers, changed)
    # Files come before the markers of empty folders, whoever made them.
    files = sum(1 for entry in inherited if not _marks(entry)) + len(shipment.stored)
    room = max(0, limits.files - files)
    async with task_group() as group:
        for marker in markers[:room]:
            await shipment.add(marker, group)
    for marker in markers[room:]:
        skips.add(marker.name, SkipReason.EMPTY_DIRECTORY)
    entries = sorted((*shipment.stored, *inherited), key=_marks)
    for entry in entries[limits.files :]:
        skips.add(entry.name, SkipReason.NOT_LISTED)
    kept = Kept(
        files=tuple(entries[: limits.files]),
        deleted=_deleted(inputs, leftovers),
        skips=skips,
        lost=tuple(shipment.lost),
        delivery=shipment.delivery,
    )
    steps.end("outputs")
    kept = await _recorded(request, sessions, kept)
    steps.end("record")
    return kept


async def _ship(
    request: RunRequest, sandbox: Sandbox, shipment: Shipment
) -> tuple[list[OutputFile], list[str]]:
    """Store what the program left, but the markers of empty folders: those are returned.

    So are the names of the files that stand in the way of a read-only input, and are dropped.
    """
    markers: list[OutputFile] = []
    dropped: list[str] = []
    async with task_group() as group:
        async for output in sandbox.outputs():
            if _is_in_the_way(output.name, request):
                dropped.append(output.name)
                async for _ in output.chunks:
                    pass
            elif is_marker(output.name, output.size_bytes):
                markers.append(output)  # Without bytes that would have to be read.
            else:
                await shipment.add(output, group)
    return markers, dropped


async def _recorded(request: RunRequest, sessions: Sessions, kept: Kept) -> Kept:
    """Save the record; without it, what was stored under this run cannot be found."""
    if not kept.files and not request.inputs:
        return kept
    listed = {(entry.storage_session_id, entry.id) for entry in kept.files}
    record = SessionRecord(
        session_id=request.session_id,
        origin="execution",
        user=request.user,
        scope=Scope(kind="user"),  # Outputs are the user's, whatever the inputs were.
        created_at=sessions.now(),
        files=kept.files,
        inputs=tuple(
            entry
            for entry in request.inputs
            if (entry.storage_session_id, entry.id) not in listed
        ),
    )
    try:
        await sessions.save(request.tenant, record)
    except StorageUnavailableError as fault:
        _log.warning("run %s: its record is lost: %s", request.run_id, fault)
        await discard(request, sessions)
        return _without_record(request, kept)
    return kept


async def discard(request: RunRequest, sessions: Sessions) -> None:
    """Remove what was stored. What stays has no record, so nobody can reach it."""
    try:
        await asyncio.shield(sessions.discard(request.tenant, request.session_id))
    except StorageUnavailableError as fault:
        _log.warning("run %s: files are left to expire: %s", request.run_id, fault)


def _without_record(request: RunRequest, kept: Kept) -> Kept:
    """Leave what other sessions hold: those can still be asked for it."""
    own = [entry for entry in kept.files if entry.storage_session_id == request.session_id]
    attempted = len(own) + len(kept.lost)
    return Kept(
        files=tuple(entry for entry in kept.files if entry not in own),
        deleted=kept.deleted,
        skips=kept.skips,
        lost=(*(entry.name for entry in own), *kept.lost),
        delivery=Delivery(attempted=attempted, delivered=0) if attempted else None,
    )


def _marks(entry: FileEntry) -> bool:
    return is_marker(entry.name, entry.size_bytes)


def _is_in_the_way(name: str, request: RunRequest) -> bool:
    """Whether a file stands where a read-only input stays, or cannot lie beside it.

    That is a change of the input, and dropped: a client sends back all the files of a run,
    and `a` with `a/b` would be refused as conflicting from then on.
    """
    return any(
        f"{name}/".startswith(f"{entry.name}/") or entry.name.startswith(f"{name}/")
        for entry in request.inputs
        if entry.read_only
    )


def _inherited(
    request: RunRequest, leftovers: Leftovers, changed: set[str]
) -> Sequence[FileEntry]:
    """Inputs that the program left as they were, and read-only ones whatever it did."""
    return [
        entry.model_copy(update={"inherited": True, "modified_from": None})
        for entry in request.inputs
        if entry.read_only or (entry.name in leftovers.unchanged and entry.name not in changed)
    ]


def _deleted(inputs: Mapping[str, FileEntry], leftovers: Leftovers) -> tuple[str, ...]:
    return tuple(
        name for name in sorted(leftovers.deleted & inputs.keys()) if not inputs[name].read_only
    )
