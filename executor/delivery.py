"""Brings the files of one run to object storage, several at a time, and counts the losses."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from executor.messages import Delivery, RunRequest
from executor.sandbox import OutputFile
from storage.content_types import content_type_of
from storage.errors import StorageUnavailableError
from storage.records import FileEntry, FileReference
from storage.sessions import Sessions

PARALLEL_STORES = 4
"""Small outputs that are stored while the next one is read. Each is held in memory until
then, so this bounds what one run may hold: four times `HELD_BYTES`."""

HELD_BYTES = 1024 * 1024
"""Outputs up to this size are read whole and stored in the background; larger ones stream."""

GIVE_UP_AFTER = 3
"""Refused files after which no further one is tried: each may take seconds to be refused,
and the client waits."""

_log = logging.getLogger(__name__)


class Shipment:
    """The files of one run, on their way. They keep the order in which they were added.

    What is under way belongs to `group`: what `stored` and `lost` say is final once its
    block has been left.
    """

    def __init__(
        self, request: RunRequest, sessions: Sessions, inputs: Mapping[str, FileEntry]
    ) -> None:
        self._request = request
        self._sessions = sessions
        self._inputs = inputs
        self._free = asyncio.Semaphore(PARALLEL_STORES)
        self._names: list[str] = []
        self._entries: dict[str, FileEntry] = {}
        self._refused = 0

    @property
    def names(self) -> list[str]:
        """The names of all that was added."""
        return list(self._names)

    @property
    def stored(self) -> list[FileEntry]:
        """The entries of the files that are stored."""
        return [self._entries[name] for name in self._names if name in self._entries]

    @property
    def lost(self) -> list[str]:
        """The names of the others."""
        return [name for name in self._names if name not in self._entries]

    @property
    def delivery(self) -> Delivery | None:
        """What is to be told, if anything was lost."""
        if not self.lost:
            return None
        return Delivery(attempted=len(self._names), delivered=len(self._entries))

    async def add(self, output: OutputFile, group: asyncio.TaskGroup) -> None:
        """Take a file: small ones are stored by `group`, large ones before this returns.

        A file that storage refuses is lost, and that is all; its bytes are read to their end
        in any case, so that the next one can be.

        Raises:
            SandboxLostError: It broke while it was read.
        """
        self._names.append(output.name)
        if output.size_bytes > HELD_BYTES:
            await self._store(output, output.chunks)
            async for _ in output.chunks:
                pass
            return
        await self._free.acquire()
        held = b"".join([chunk async for chunk in output.chunks])
        task = group.create_task(self._store(output, _once(held)))
        task.add_done_callback(lambda _: self._free.release())

    async def _store(self, output: OutputFile, body: AsyncIterator[bytes]) -> None:
        if self._refused >= GIVE_UP_AFTER:
            return
        known = self._inputs.get(output.name)
        try:
            entry = await self._sessions.store_file(
                self._request.tenant,
                self._request.session_id,
                name=output.name,
                body=body,
                content_type=content_type_of(output.name),
                max_bytes=output.size_bytes,
                entity_id=known.entity_id if known else None,
            )
        except StorageUnavailableError as fault:
            self._refused += 1
            _log.warning("run %s: a file is lost: %s", self._request.run_id, fault)
            return
        if known is not None:
            was = FileReference(id=known.id, storage_session_id=known.storage_session_id)
            entry = entry.model_copy(update={"modified_from": was})
        self._entries[output.name] = entry


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
