"""What is kept of the files that a program leaves behind (librechat-contract 3.5)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from executor.concurrency import task_group
from executor.messages import RunRequest, SkippedFile
from executor.sandbox import Leftovers, OutputFile, RunLimits, Sandbox
from storage.content_types import content_type_of
from storage.records import FileEntry, FileReference, Scope, SessionRecord
from storage.sessions import Sessions

PARALLEL_STORES = 4
"""Small outputs that are stored while the next one is read. Each is held in memory until
then, so this bounds what one run may hold: four times `HELD_BYTES`."""

HELD_BYTES = 1024 * 1024
"""Outputs up to this size are read whole and stored in the background; larger ones stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The files that a run ended with."""

    files: tuple[FileEntry, ...]
    deleted: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
    skipped_count: int


async def keep_outputs(
    request: RunRequest, sandbox: Sandbox, sessions: Sessions, limits: RunLimits
) -> Kept:
    """Store new and changed files, and then the record that makes them known.

    A run that ends without files, inputs included, touches no storage. If anything fails,
    some bytes may lie there without a record: the caller discards them.

    Raises:
        SandboxLostError: The sandbox broke while it was read.
        StorageUnavailableError: Storage failed.
    """
    inputs = {entry.name: entry for entry in request.inputs}
    stored = await _store_all(request, sandbox, sessions, inputs)
    leftovers = sandbox.leftovers
    inherited = _inherited(request, leftovers, {entry.name for entry in stored})
    files = (*stored, *inherited)[: limits.files]
    if files:
        await sessions.save(
            request.tenant,
            SessionRecord(
                session_id=request.session_id,
                origin="execution",
                user=request.user,
                scope=Scope(kind="user"),  # Outputs are the user's, whatever the inputs were.
                created_at=datetime.now(UTC),
                files=files,
            ),
        )
    return Kept(
        files=files,
        deleted=tuple(
            name
            for name in sorted(leftovers.deleted & inputs.keys())
            if not inputs[name].read_only
        ),
        skipped=leftovers.skipped,
        skipped_count=leftovers.skipped_count,
    )


async def _store_all(
    request: RunRequest,
    sandbox: Sandbox,
    sessions: Sessions,
    inputs: dict[str, FileEntry],
) -> list[FileEntry]:
    free = asyncio.Semaphore(PARALLEL_STORES)
    order: list[FileEntry | asyncio.Task[FileEntry]] = []
    async with task_group() as group:
        async for output in sandbox.outputs():
            known = inputs.get(output.name)
            if _is_in_the_way(output.name, request):
                async for _ in output.chunks:
                    pass
            elif output.size_bytes > HELD_BYTES:
                order.append(await _store(request, sessions, output, known))
            else:
                await free.acquire()
                held = b"".join([chunk async for chunk in output.chunks])
                task = group.create_task(_store(request, sessions, output, known, held))
                task.add_done_callback(lambda _: free.release())
                order.append(task)
    return [item.result() if isinstance(item, asyncio.Task) else item for item in order]


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


async def _store(
    request: RunRequest,
    sessions: Sessions,
    output: OutputFile,
    known: FileEntry | None,
    held: bytes | None = None,
) -> FileEntry:
    entry = await sessions.store_file(
        request.tenant,
        request.session_id,
        name=output.name,
        body=output.chunks if held is None else _once(held),
        content_type=content_type_of(output.name),
        max_bytes=output.size_bytes,
        entity_id=known.entity_id if known else None,
    )
    if known is None:
        return entry
    reference = FileReference(id=known.id, storage_session_id=known.storage_session_id)
    return entry.model_copy(update={"modified_from": reference})


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _inherited(
    request: RunRequest, leftovers: Leftovers, changed: set[str]
) -> tuple[FileEntry, ...]:
    """Inputs that the program left as they were, and read-only ones whatever it did."""
    return tuple(
        entry.model_copy(update={"inherited": True, "modified_from": None})
        for entry in request.inputs
        if entry.read_only or (entry.name in leftovers.unchanged and entry.name not in changed)
    )
