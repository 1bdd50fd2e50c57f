"""The far end of a `ByteStream`, in the hands of a test: it says whatever it is told to."""

import asyncio
from collections.abc import AsyncGenerator

from typing_extensions import override

from executor.frame_stream import ByteStream, FrameStream
from executor.sandbox import OutputFile, Program, RunLimits, SandboxUnavailableError
from executor.supervised_sandbox import SupervisedSandbox
from sandbox.supervisor.frames import (
    PROTOCOL_VERSION,
    Frame,
    FrameDecoder,
    Kind,
    decode_json,
    encode,
    encode_json,
)

STALL_TIMEOUT_S = 0.05

LIMITS = RunLimits(
    wall_time_s=5, stdout_bytes=100, stderr_bytes=50, file_bytes=1000, total_bytes=1500, files=3
)

PYTHON = Program(language="py", source=b"print(1)")

HELLO = encode_json(Kind.HELLO, {"protocol": PROTOCOL_VERSION})
PRELOADED = encode_json(Kind.PRELOADED, {"modules": ["json", "numpy"]})
ENDED_WELL: dict[str, object] = {
    "exit_code": 0,
    "signal": None,
    "stopped": None,
    "wall_time_ms": 12,
    "stderr_cut": False,
}
NOTHING_ELSE: dict[str, object] = {
    "unchanged": [],
    "deleted": [],
    "skipped": [],
    "skipped_count": 0,
}


def ended(**changes: object) -> bytes:
    return encode_json(Kind.ENDED, ENDED_WELL | changes)


def output(name: object, size: object) -> bytes:
    return encode_json(Kind.OUTPUT, {"name": name, "size": size})


def data(content: bytes) -> bytes:
    return encode(Kind.DATA, content)


def summary(**changes: object) -> bytes:
    return encode_json(Kind.SUMMARY, NOTHING_ELSE | changes)


class MemoryStream(ByteStream):
    """Plays what `says` was given; keeps the frames that it was sent."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self._decoder = FrameDecoder()
        self._ended = False
        self.takes_nothing = False
        self.write_fault: OSError | None = None
        self.heard: list[Frame] = []
        self._hearing = asyncio.Event()
        self.closed = False

    def says(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._pieces.put_nowait(piece)

    async def next_heard(self) -> None:
        """Wait until more has been sent."""
        self._hearing.clear()
        await self._hearing.wait()

    def ends(self) -> None:
        self._pieces.put_nowait(b"")

    def breaks(self) -> None:
        self._pieces.put_nowait(ConnectionResetError("reset"))

    @override
    async def read(self) -> bytes:
        if self._ended:
            return b""
        piece = await self._pieces.get()
        if isinstance(piece, OSError):
            raise piece
        self._ended = not piece
        return piece

    @override
    async def write(self, data: bytes) -> None:
        if self.takes_nothing:
            await asyncio.Event().wait()
        if self.write_fault is not None:
            raise self.write_fault
        self.heard.extend(self._decoder.feed(data))
        self._hearing.set()

    @override
    def at_end(self) -> bool:
        return self._ended

    @override
    async def close(self) -> None:
        self.closed = True


class Rig:
    """A `SupervisedSandbox` whose supervisor is played by the test."""

    def __init__(self) -> None:
        self.stream = MemoryStream()
        self.oom_killed: bool | SandboxUnavailableError = False
        self.destroyed = 0
        self.is_frozen = False
        self.grown_to: int | None = None
        self.sandbox = SupervisedSandbox(
            "box",
            FrameStream(self.stream, stall_timeout_s=STALL_TIMEOUT_S),
            grow=self._grow,
            freezer=self,
            was_killed_for_memory=self._was_killed_for_memory,
            destroy=self._destroy,
        )

    async def _was_killed_for_memory(self) -> bool:
        if isinstance(self.oom_killed, SandboxUnavailableError):
            raise self.oom_killed
        return self.oom_killed

    async def _grow(self, memory_bytes: int) -> None:
        self.grown_to = memory_bytes

    async def freeze(self) -> None:
        self.is_frozen = True

    async def thaw(self) -> None:
        self.is_frozen = False

    async def _destroy(self) -> None:
        self.destroyed += 1

    async def prepared(
        self, limits: RunLimits = LIMITS, program: Program = PYTHON
    ) -> SupervisedSandbox:
        await self.sandbox.prepare(program, limits)
        return self.sandbox

    async def after_run(self, *said: bytes, limits: RunLimits = LIMITS) -> SupervisedSandbox:
        """A program that ended well, and then `said` of what it left."""
        await self.prepared(limits)
        self.stream.says(ended(), *said)
        await self.sandbox.run()
        return self.sandbox

    def heard(self, kind: Kind) -> list[bytes]:
        return [frame.payload for frame in self.stream.heard if frame.kind is kind]

    def heard_json(self, kind: Kind) -> list[dict[str, object]]:
        return [decode_json(frame) for frame in self.stream.heard if frame.kind is kind]


async def chunks(*pieces: bytes) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece


async def read_output(file: OutputFile) -> tuple[str, bytes]:
    return file.name, b"".join([chunk async for chunk in file.chunks])


async def read_outputs(sandbox: SupervisedSandbox) -> dict[str, bytes]:
    return dict([await read_output(file) async for file in sandbox.outputs()])
