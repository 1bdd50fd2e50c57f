"""Frames over a byte stream, with the deadlines that keep a silent sandbox from holding us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from executor.sandbox import SandboxLostError
from sandbox.supervisor.frames import Frame, FrameDecoder, FrameError, Kind

STALL_TIMEOUT_S = 30.0
"""Longest silence outside a run: a sandbox that sends or takes nothing for this long while
files move is given up. Attach moves hundreds of MB/s; half a core hashes 100 MB in a second."""

FRAMES_WITHOUT_PAUSE = 256
"""After so many the other runs of this executor go on: what is read at once may hold 200,000
empty frames, which take most of a second."""


class ByteStream(Protocol):
    """The two directions of a sandbox's standard input and output."""

    async def read(self) -> bytes:
        """Return some bytes of its output; none at its end. Raises `OSError`."""
        ...

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side is slow. Raises `OSError`."""
        ...

    def at_end(self) -> bool:
        """Whether the end was seen, as far as is known without waiting."""
        ...

    async def close(self) -> None:
        """Close both directions. May be repeated."""
        ...


class FrameStream:
    """Reads and writes frames on a `ByteStream`."""

    def __init__(self, stream: ByteStream, *, stall_timeout_s: float = STALL_TIMEOUT_S) -> None:
        self._stream = stream
        self._stall_timeout_s = stall_timeout_s
        self._decoder = FrameDecoder()
        # Of what was read last, each decoded when it is asked for: as objects, a megabyte of
        # empty frames would be seventeen.
        self._frames: Iterator[Frame] = iter(())
        self._frames_without_pause = 0

    @property
    def alive(self) -> bool:
        """Whether the other side is there, as far as is known without asking."""
        return not self._stream.at_end()

    async def send(self, frame: bytes) -> None:
        """Send one encoded frame.

        Raises:
            SandboxLostError: The sandbox is gone, or takes nothing any more.
        """
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                await self._stream.write(frame)
        except (OSError, TimeoutError) as fault:
            raise SandboxLostError("the sandbox takes nothing any more") from fault

    async def receive(self) -> Frame:
        """Return the next frame.

        Raises:
            SandboxLostError: It ended, broke the protocol, or was silent for too long.
        """
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                return await self.next_frame()
        except TimeoutError as fault:
            silence_s = self._stall_timeout_s
            raise SandboxLostError(f"the sandbox was silent for {silence_s:g} s") from fault

    async def body(self, size_bytes: int) -> AsyncIterator[bytes]:
        """Yield the bytes that were announced, from the DATA frames that are next.

        Raises:
            SandboxLostError: As `receive`, or they are not as many as announced.
        """
        left = size_bytes
        while left:
            frame = await self.receive()
            if frame.kind is not Kind.DATA or not 0 < len(frame.payload) <= left:
                raise SandboxLostError("a body is not as long as announced")
            left -= len(frame.payload)
            yield frame.payload

    async def next_frame(self) -> Frame:
        """Return the next frame, whenever it comes: the caller has a deadline of its own.

        Raises:
            SandboxLostError: It ended, or broke the protocol.
        """
        await self._pause_now_and_then()
        while (frame := self._decoded()) is None:
            await self._read_on()
        return frame

    async def _pause_now_and_then(self) -> None:
        self._frames_without_pause += 1
        if self._frames_without_pause >= FRAMES_WITHOUT_PAUSE:
            self._frames_without_pause = 0
            await asyncio.sleep(0)

    def _decoded(self) -> Frame | None:
        try:
            return next(self._frames, None)
        except FrameError as fault:
            raise SandboxLostError(str(fault)) from fault

    async def _read_on(self) -> None:
        try:
            data = await self._stream.read()
        except OSError as fault:
            raise SandboxLostError("the connection to the sandbox broke") from fault
        if not data:
            raise SandboxLostError("the sandbox ended before its report")
        self._frames = self._decoder.feed(data)

    async def close(self) -> None:
        """Close the connection. May be repeated."""
        with contextlib.suppress(OSError):
            await self._stream.close()
