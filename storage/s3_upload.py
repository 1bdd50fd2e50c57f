"""Sends one body of unknown length to S3 while it is still being read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from storage.s3_faults import translated_faults
from storage.s3_watch import Ask, while_it_answers

if TYPE_CHECKING:
    from obstore import PutMode, PutResult

PART_BYTES = 5 * 1024 * 1024
"""Size of one part, and longest body that goes in one request: the least that S3 takes for
any part but the last (Amazon S3 User Guide, "multipart upload limits")."""

_PIECE_BYTES = 256 * 1024
"""Least bytes handed to obstore at a time: each hand-over crosses two threads."""


under_way: set["asyncio.Future[PutResult]"] = set()
"""Uploads in parts. Some nobody waits for any more; none may be collected before its end."""


async def upload(
    store: S3Store, key: str, body: AsyncIterable[bytes], *, ask: Ask
) -> "PutResult":
    """Store `body` at `key`, holding about two parts of it in memory at most.

    A service that is not there any more is noticed by `ask`, which is called now and then.

    `body` is read in the caller's own task, so that deadlines and cancellation inside it
    behave as anywhere else: obstore would run each of its steps in a task of its own.

    Raises:
        StorageUnavailableError: S3 failed; nothing is stored, or the whole body is.
        Exception: Whatever `body` raises passes through; nothing is stored.
    """
    held: list[bytes] = []
    held_bytes = 0
    async with aclosing(_pieces(body)) as pieces:
        async for piece in pieces:
            held.append(piece)
            held_bytes += len(piece)
            if held_bytes > PART_BYTES:
                return await _upload_in_parts(store, key, _chained(held, pieces), ask)
    return await put_whole(store, key, b"".join(held), ask=ask)


async def put_whole(
    store: S3Store, key: str, content: bytes, *, ask: Ask, if_etag: str | None = None
) -> "PutResult":
    """Store `content` in one request; with `if_etag`, only over that version.

    Raises:
        StorageUnavailableError: S3 failed, or has another version; stored or not.
    """
    mode: PutMode = "overwrite" if if_etag is None else {"e_tag": if_etag}
    with translated_faults(key):
        sending = asyncio.ensure_future(
            obstore.put_async(store, key, content, mode=mode, use_multipart=False)
        )
        try:
            return await while_it_answers(sending, ask)
        finally:
            sending.cancel()


async def _pieces(body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    held = bytearray()
    async for chunk in body:
        held += chunk
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _chained(
    held: list[bytes], rest: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    held.reverse()
    while held:
        yield held.pop()  # Popped, so that what was sent is not kept.
    async for piece in rest:
        yield piece


async def _upload_in_parts(
    store: S3Store, key: str, pieces: AsyncIterator[bytes], ask: Ask
) -> "PutResult":
    belt = _Belt()
    # One part travels while the next is filled: more would be memory for little speed.
    sending = asyncio.ensure_future(
        obstore.put_async(store, key, belt.unloaded(), chunk_size=PART_BYTES, max_concurrency=1)
    )
    under_way.add(sending)
    sending.add_done_callback(_forget)
    watching = asyncio.create_task(while_it_answers(sending, ask))
    watching.add_done_callback(belt.stop)
    try:
        async for piece in pieces:
            if not await belt.load(piece):
                break
        else:
            await belt.finish()
    finally:
        # Where the body failed or the caller was cancelled, obstore learns of it through
        # the belt and aborts the multipart upload. Were `sending` cancelled instead, its
        # parts would stay until the bucket's rule finds them. A service that does not answer
        # is not waited for: obstore gives up by itself, and later.
        belt.abandon_unless_finished()
        await asyncio.wait([watching])
    with translated_faults(key):
        return watching.result()


def _forget(sending: "asyncio.Future[PutResult]") -> None:
    under_way.discard(sending)
    if not sending.cancelled():
        sending.exception()  # Seen: whoever gave it up never asks for it.


class _UnfinishedBodyError(Exception):
    """Tells obstore that the rest of the body will not come."""


class _Belt:
    """Carries pieces from the task that reads the body to those that obstore starts."""

    def __init__(self) -> None:
        self._queue = asyncio.Queue[bytes | None](maxsize=1)
        self._finished = False
        self._abandoned = False
        self._stopped = False

    async def load(self, piece: bytes | None) -> bool:
        """Add a piece, waiting for room; say whether any more are wanted."""
        if not self._stopped:
            await self._queue.put(piece)
        return not self._stopped

    async def finish(self) -> None:
        """Say that the body is complete."""
        await self.load(None)
        self._finished = True

    def abandon_unless_finished(self) -> None:
        """Say that the body will never be complete."""
        if not self._finished:
            self._abandoned = True
            if self._queue.empty():
                self._queue.put_nowait(None)  # Wakes whoever waits for a piece.

    def stop(self, sending: "asyncio.Future[PutResult]") -> None:
        """Refuse further pieces: obstore is through, or has given up."""
        self._stopped = True
        if not self._queue.empty():
            self._queue.get_nowait()  # Wakes whoever waits for room.
        if not sending.cancelled():
            sending.exception()  # Seen: a cancelled caller never asks for it.

    async def unloaded(self) -> AsyncGenerator[bytes, None]:
        """Pieces in order, to the body's end.

        Raises:
            _UnfinishedBodyError: The body was abandoned.
        """
        while True:
            piece = await self._queue.get()
            if self._abandoned:
                raise _UnfinishedBodyError
            if piece is None:
                return
            yield piece
