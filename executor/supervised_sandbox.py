"""`Sandbox` for anything whose PID 1 is our supervisor, however its streams are reached."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import replace

from typing_extensions import override

from executor.calls import CallsPending, ToolResult
from executor.captured_output import CapturedOutput
from executor.claims import (
    AnnouncedOutputs,
    CallClaim,
    EndedClaim,
    HelloClaim,
    OutputClaim,
    PreloadedClaim,
    RefusedClaim,
    WaitingClaim,
    read_claim,
)
from executor.frame_stream import FrameStream
from executor.left_behind import SnapshotOutcome
from executor.messages import Stopped
from executor.sandbox import (
    Execution,
    Leftovers,
    OutputFile,
    Program,
    RunLimits,
    Sandbox,
    SandboxLostError,
    SandboxRefusedError,
    SandboxUnavailableError,
    Snapshot,
    StateTerms,
)
from executor.supervised_parts import (
    PRELOAD_TIMEOUT_S,
    RUN_GRACE_S,
    Destroy,
    Freezer,
    Grow,
    WasKilledForMemory,
    job_fields,
    leftovers_after_loss,
    read_leftovers,
    read_snapshot,
    result_fields,
)
from executor.tool_calls import AnnouncedCalls
from sandbox.supervisor.frames import CHUNK_BYTES, Frame, Kind, encode, encode_json
from sandbox.supervisor.programmatic.channel import dump_tools

HELLO_TIMEOUT_S = 20.0
"""A supervisor says hello within 0.1 s of its start; on a machine in trouble, later."""


class SupervisedSandbox(Sandbox):
    """Speaks the frame protocol, and believes nothing that it hears."""

    def __init__(  # noqa: PLR0913 - what its engine does for it
        self,
        name: str,
        stream: FrameStream,
        *,
        grow: Grow,
        freezer: Freezer,
        was_killed_for_memory: WasKilledForMemory,
        destroy: Destroy,
    ) -> None:
        self._name = name
        self._stream = stream
        self._grow = grow
        self._freezer = freezer
        self._was_killed_for_memory = was_killed_for_memory
        self._destroy = destroy
        self._limits: RunLimits | None = None
        self._state: StateTerms | None = None
        self._calls: AnnouncedCalls | None = None
        self._inputs: set[str] = set()
        self._workspace_lost = False
        self._preloading = False
        self._preloaded = False
        self._leftovers: Leftovers | None = None

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def alive(self) -> bool:
        return self._stream.alive

    async def greet(self) -> None:
        """Wait until the supervisor can take a job.

        Raises:
            SandboxUnavailableError: It did not come up, or speaks another protocol: then the
                image is older or newer than this executor.
        """
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                read_claim(HelloClaim, await self._stream.next_frame())
        except (SandboxLostError, TimeoutError) as fault:
            problem = str(fault) or "its supervisor did not come up"
            raise SandboxUnavailableError(f"sandbox {self._name}: {problem}") from fault

    @property
    @override
    def preloaded(self) -> bool:
        return self._preloaded

    @override
    async def preload(self) -> None:
        self._preloading = True  # First: sending may be cancelled when all is sent.
        await self._deliver(encode(Kind.PRELOAD))
        try:
            async with asyncio.timeout(PRELOAD_TIMEOUT_S):
                await self._hear_of_preloading()
        except (SandboxLostError, TimeoutError) as fault:
            problem = str(fault) or "it has not preloaded in time"
            raise SandboxUnavailableError(f"sandbox {self._name}: {problem}") from fault
        self._preloading = False
        self._preloaded = True

    async def _hear_of_preloading(self) -> None:
        frame = await self._stream.next_frame()
        if frame.kind is not Kind.PRELOADED:
            raise SandboxLostError(f"{frame.kind.name} instead of PRELOADED")
        read_claim(PreloadedClaim, frame)

    @override
    async def prepare(self, program: Program, limits: RunLimits) -> None:
        self._limits, self._state = limits, program.state
        await self._deliver(encode_json(Kind.JOB, job_fields(program, limits)))
        await self._deliver_bytes(Kind.SOURCE, program.source)
        if program.tools is not None:
            self._calls = AnnouncedCalls()
            await self._deliver_bytes(Kind.TOOLS, dump_tools(program.tools))
        self._output = CapturedOutput(limits)
        self._left_s = limits.wall_time_s

    @override
    async def grow(self, memory_bytes: int) -> None:
        await self._grow(memory_bytes)

    @override
    async def restore(self, chunks: AsyncIterable[bytes]) -> None:
        await self._deliver(encode(Kind.STATE))
        async for chunk in chunks:
            await self._deliver_bytes(Kind.DATA, chunk)

    @override
    async def put(
        self, name: str, chunks: AsyncIterable[bytes], *, read_only: bool = False
    ) -> None:
        self._inputs.add(name)
        await self._deliver(encode_json(Kind.FILE, {"name": name, "read_only": read_only}))
        async for chunk in chunks:
            await self._deliver_bytes(Kind.DATA, chunk)

    async def _deliver_bytes(self, kind: Kind, data: bytes) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            await self._deliver(encode(kind, data[start : start + CHUNK_BYTES]))

    async def _deliver(self, frame: bytes) -> None:
        try:
            await self._stream.send(frame)
        except SandboxLostError as fault:
            raise SandboxUnavailableError(f"sandbox {self._name}: {fault}") from fault

    @override
    async def run(self) -> Execution:
        ended = await self.begin()
        if isinstance(ended, CallsPending):
            raise SandboxLostError("a program without tools waits for one")
        return ended

    @override
    async def begin(self) -> Execution | CallsPending:
        self._known_limits()
        await self._deliver(encode(Kind.RUN))
        return await self._watch_over()

    @override
    async def answer(self, results: Sequence[ToolResult]) -> Execution | CallsPending:
        if self._calls is None:
            raise RuntimeError("a program without tools has no calls")
        self._calls.answered(results)
        try:
            for result in results:
                await self._deliver(encode_json(Kind.RESULT, result_fields(result)))
                await self._deliver_bytes(Kind.DATA, result.text)
            await self._deliver(encode(Kind.RESUME))
        except SandboxUnavailableError as fault:
            raise SandboxLostError(str(fault)) from fault
        return await self._watch_over()

    @override
    async def freeze(self) -> None:
        await self._freezer.freeze()

    @override
    async def thaw(self) -> None:
        await self._freezer.thaw()

    async def _watch_over(self) -> Execution | CallsPending:
        """Watch it until it ends or waits, or is over the time that it has left."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left_s + RUN_GRACE_S):
                return await self._watch()
        except TimeoutError:
            stopped = Stopped.TIME
        except SandboxLostError:
            if self._stream.alive or not await self._killed_for_memory():
                raise
            stopped = Stopped.MEMORY
        finally:
            self._left_s -= time.monotonic() - started
        self._workspace_lost = True
        wall_time_ms = round((self._known_limits().wall_time_s - self._left_s) * 1000)
        return self._output.killed(stopped, wall_time_ms=wall_time_ms)

    async def _watch(self) -> Execution | CallsPending:
        while True:
            frame = await self._stream.next_frame()
            if frame.kind is Kind.PRELOADED and self._preloading:
                self._preloading = False  # The job came while it was at it.
                continue
            if frame.kind is Kind.REFUSED:
                raise SandboxRefusedError(read_claim(RefusedClaim, frame).reason)
            if frame.kind is Kind.ENDED:
                return self._output.ended(read_claim(EndedClaim, frame))
            if self._calls is None or frame.kind not in {Kind.CALL, Kind.WAITING}:
                self._output.add(frame)
            elif (pending := await self._hear_of_call(self._calls, frame)) is not None:
                return pending

    async def _hear_of_call(self, calls: AnnouncedCalls, frame: Frame) -> CallsPending | None:
        if frame.kind is Kind.CALL:
            claim = read_claim(CallClaim, frame)
            await calls.add(claim, self._stream.body(claim.size))
            return None
        return CallsPending(
            calls=calls.waiting(read_claim(WaitingClaim, frame)),
            stdout=self._output.stdout,
            stderr=self._output.stderr,
        )

    async def _killed_for_memory(self) -> bool:
        """Whether the kernel took PID 1 itself. That is the program's doing, not ours."""
        try:
            return await self._was_killed_for_memory()
        except SandboxUnavailableError:
            return False  # Nobody can say any more.

    @override
    async def outputs(self) -> AsyncIterator[OutputFile]:
        if self._workspace_lost:
            self._leftovers = leftovers_after_loss(self._inputs)
            return
        announced = AnnouncedOutputs(self._known_limits())
        while (frame := await self._stream.receive()).kind is Kind.OUTPUT:
            claim = read_claim(OutputClaim, frame)
            announced.add(claim)
            chunks = self._stream.body(claim.size)
            yield OutputFile(name=claim.name, size_bytes=claim.size, chunks=chunks)
        self._leftovers = read_leftovers(frame)

    @property
    @override
    def leftovers(self) -> Leftovers:
        if self._leftovers is None:
            raise RuntimeError("leftovers are known after the outputs")
        return self._leftovers

    @override
    async def snapshot(self) -> Snapshot:
        if self._state is None:
            raise RuntimeError("nothing was said of keeping the workspace")
        if self._workspace_lost:
            return Snapshot(outcome=SnapshotOutcome.LOST)
        told = read_snapshot(await self._stream.receive(), self._state)
        changed = told.outcome is SnapshotOutcome.CHANGED
        return replace(told, chunks=self._stream.body(told.size_bytes)) if changed else told

    @override
    async def destroy(self) -> None:
        await self._stream.close()
        await self._destroy()

    def _known_limits(self) -> RunLimits:
        if self._limits is None:
            raise RuntimeError("prepare comes first")
        return self._limits
