"""A `SandboxEngine` without isolation: programs of the tests' own, run as plain processes.

It keeps the port's promises (the contract suite asks it the same questions as the Docker
engine) and lets a test decide when sandboxes can be made, and which of them break.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from typing_extensions import override

from executor.calls import CallsPending, ToolCall, ToolResult
from executor.known_escapes import Part
from executor.left_behind import SnapshotOutcome
from executor.messages import Stopped
from executor.sandbox import (
    Execution,
    Leftovers,
    OutputFile,
    Program,
    RunLimits,
    Sandbox,
    SandboxEngine,
    SandboxError,
    SandboxLostError,
    SandboxRefusedError,
    SandboxUnavailableError,
    Snapshot,
)
from executor.shared_assets import AssetArchive
from sandbox.supervisor.job import KeptState, Limits
from sandbox.supervisor.kept_state import StateOfRun
from sandbox.supervisor.languages import LANGUAGES
from sandbox.supervisor.programmatic.channel import Tool
from sandbox.supervisor.scan import Output
from sandbox.supervisor.workspace import Workspace

PIECE_BYTES = 64 * 1024
_ENDED = Execution(
    exit_code=0,
    signal=None,
    stopped=None,
    wall_time_ms=1,
    stdout=b"",
    stderr=b"",
    stderr_cut=False,
)
CAPACITY_BYTES = 100 * 1024 * 1024


class LocalSandbox(Sandbox):
    """One folder, for one program."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root = Path(tempfile.mkdtemp(prefix="local-sandbox-"))
        self._workspace = Workspace(str(self._root))
        self._program: Program | None = None
        self._limits: RunLimits | None = None
        self._room_bytes = CAPACITY_BYTES
        self._leftovers: Leftovers | None = None
        self._state: StateOfRun | None = None
        self.grown_to: int | None = None
        """What `grow` was told; processes of this machine have all of its memory anyway."""
        self.dead = False
        self.frozen = False
        self.destroyed = False
        self.preloading = asyncio.Event()
        """Set while it preloads, and from then on."""
        self.may_preload = asyncio.Event()
        """Cleared, it does not come to the end of that."""
        self.may_preload.set()
        self._preloaded = False
        self.answered: list[tuple[ToolResult, ...]] = []
        """What a program with tools was given, round by round."""
        self.breaks_in: str | None = None
        """The method in which it is going to break: `preload`, `prepare`, `grow`, `put`, `run`
        or `outputs`."""

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def alive(self) -> bool:
        return not self.dead

    @property
    @override
    def preloaded(self) -> bool:
        return self._preloaded

    @override
    async def preload(self) -> None:
        self.preloading.set()
        await self.may_preload.wait()
        self._check("preload", SandboxUnavailableError)
        self._preloaded = True

    @override
    async def prepare(self, program: Program, limits: RunLimits) -> None:
        self._check("prepare", SandboxUnavailableError)
        self._program, self._limits = program, limits
        if program.state is not None:
            terms = KeptState(program.state.max_bytes, program.state.variables)
            self._state = StateOfRun(terms, self._workspace, root=str(self._root))

    @override
    async def grow(self, memory_bytes: int) -> None:
        self._check("grow", SandboxUnavailableError)
        self.grown_to = memory_bytes

    @override
    async def restore(self, chunks: AsyncIterable[bytes]) -> None:
        self._check("restore", SandboxUnavailableError)
        assert self._state is not None
        self._state.begin()
        async for chunk in chunks:
            self._state.write(chunk)
        self._state.finish_restoring()

    @override
    async def put(
        self, name: str, chunks: AsyncIterable[bytes], *, read_only: bool = False
    ) -> None:
        self._check("put", SandboxUnavailableError)
        file = self._workspace.begin_input(name, read_only=read_only)
        try:
            async for chunk in chunks:
                self._room_bytes -= len(chunk)
                if self._room_bytes >= 0:
                    file.write(chunk)
        finally:
            file.finish()

    @override
    async def run(self) -> Execution:
        if self._program is None or self._limits is None:
            raise RuntimeError("prepare comes first")
        if self._room_bytes < 0:
            raise SandboxRefusedError("No space left on device")
        self._check("run", SandboxLostError)
        language = LANGUAGES[self._program.language]
        path = self._workspace.write_entry(language.entry_file, self._program.source)
        command = (*language.commands(path), (sys.executable, path))[0]
        return await _execute((*command, *self._program.args), self._root, self._limits)

    @override
    async def begin(self) -> Execution | CallsPending:
        return self._next_round()

    @override
    async def answer(self, results: Sequence[ToolResult]) -> Execution | CallsPending:
        self._check("answer", SandboxLostError)
        if self.frozen:
            raise RuntimeError("what is frozen does not answer")
        self.answered.append(tuple(results))
        return self._next_round()

    def _next_round(self) -> Execution | CallsPending:
        """Wait for one call after the other, as many as the source says, and end.

        No program of this engine has a line to call over; the supervisor's own tests have.
        """
        assert self._program is not None
        rounds = int(self._program.source)
        number = len(self.answered) + 1
        if number > rounds:
            return _ENDED
        tool = (self._program.tools or (Tool("none"),))[0].name
        calls = (ToolCall(number=number, tool=tool, input=b"{}"),)
        return CallsPending(calls=calls, stdout=b"", stderr=b"")

    @override
    async def freeze(self) -> None:
        self._check("freeze", SandboxUnavailableError)
        self.frozen = True

    @override
    async def thaw(self) -> None:
        self._check("thaw", SandboxUnavailableError)
        self.frozen = False

    @override
    async def outputs(self) -> AsyncIterator[OutputFile]:
        assert self._limits is not None
        found = self._workspace.collect(_collecting(self._limits))
        for output in found.outputs:
            yield OutputFile(
                name=output.name, size_bytes=output.size_bytes, chunks=self._read(output)
            )
        self._check("outputs", SandboxLostError)
        self._leftovers = Leftovers(
            unchanged=frozenset(found.unchanged),
            deleted=frozenset(found.deleted),
            skipped=tuple(found.skips.named),
            skip_counts=found.skips.counts,
        )

    async def _read(self, output: Output) -> AsyncGenerator[bytes]:
        for piece in self._workspace.read(output):
            yield piece

    @property
    @override
    def leftovers(self) -> Leftovers:
        if self._leftovers is None:
            raise RuntimeError("leftovers are known after the outputs")
        return self._leftovers

    @override
    async def snapshot(self) -> Snapshot:
        self._check("snapshot", SandboxLostError)
        state = self._state
        assert state is not None
        state.survey()
        taken = state.compare()
        return Snapshot(
            outcome=SnapshotOutcome(taken.outcome),
            restored=state.restored,
            discarded=state.discarded,
            size_bytes=taken.size_bytes,
            chunks=_all(state.pieces(taken)) if taken.outcome == "changed" else None,
        )

    @override
    async def destroy(self) -> None:
        await asyncio.sleep(0)
        self.dead = self.destroyed = True
        shutil.rmtree(self._root, ignore_errors=True)

    def _check(self, method: str, error: type[SandboxError]) -> None:
        if self.dead or self.breaks_in == method:
            self.dead = True
            raise error(f"{self._name} broke in {method}")


class LocalEngine(SandboxEngine):
    """Makes folders; remembers every sandbox that it made."""

    def __init__(self) -> None:
        self.made: list[LocalSandbox] = []
        self.attempts: list[float] = []
        self.fault: Exception | None = None
        """Raised instead of making a sandbox."""
        self.open = asyncio.Event()
        """Cleared, makers wait."""
        self.open.set()
        self.next_breaks_in: list[str | None] = []
        """For each sandbox to come, where it is going to break."""

    @property
    def living(self) -> list[LocalSandbox]:
        return [sandbox for sandbox in self.made if not sandbox.destroyed]

    @override
    async def create(self) -> Sandbox:
        self.attempts.append(time.monotonic())
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        sandbox = LocalSandbox(f"local-{len(self.made)}")
        sandbox.breaks_in = self.next_breaks_in.pop(0) if self.next_breaks_in else None
        self.made.append(sandbox)
        return sandbox

    @override
    async def remove_leftovers(self) -> int:
        await self.check()
        return 0  # They end with this process.

    @property
    @override
    def left_behind(self) -> int:
        return 0

    @override
    def use_assets(self, assets: AssetArchive) -> None:
        """These sandboxes have no shared files."""

    @override
    async def parts(self) -> tuple[Part, ...]:
        await self.check()
        return ()

    @override
    async def close(self) -> None:
        """Nothing is held but folders."""

    @override
    async def check(self) -> None:
        if isinstance(self.fault, SandboxUnavailableError):
            raise self.fault


async def _all(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece


def _collecting(limits: RunLimits) -> Limits:
    return Limits(**{name: getattr(limits, name) for name in Limits._fields})


async def _execute(command: tuple[str, ...], folder: Path, limits: RunLimits) -> Execution:
    process = _started(command, folder)
    watching = asyncio.ensure_future(asyncio.to_thread(_watch, process, limits))
    try:
        return await asyncio.shield(watching)
    except asyncio.CancelledError:
        _kill_group(process)
        await watching
        raise


def _started(command: tuple[str, ...], folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _watch(process: "subprocess.Popen[bytes]", limits: RunLimits) -> Execution:
    """Wait for the program's end, or end it. In a thread of its own."""
    started = time.monotonic()
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(b"\n")
    stdout = _Capture(process.stdout, limits.stdout_bytes, stops=process)
    stderr = _Capture(process.stderr, limits.stderr_bytes, stops=None)
    stopped = None
    try:
        process.wait(limits.wall_time_s)
    except subprocess.TimeoutExpired:
        stopped = Stopped.TIME
    _kill_group(process)
    code = process.wait()
    stdout.join()
    stderr.join()
    if stdout.exceeded:
        stopped = Stopped.STDOUT
    if stopped is not None:
        code = -signal.SIGKILL
    return Execution(
        exit_code=None if code < 0 else code,
        signal=signal.Signals(-code).name if code < 0 else None,
        stopped=stopped,
        wall_time_ms=round((time.monotonic() - started) * 1000),
        stdout=bytes(stdout.kept),
        stderr=bytes(stderr.kept),
        stderr_cut=stderr.exceeded,
    )


class _Capture(threading.Thread):
    """Keeps one stream's bytes up to a limit; beyond it, may end the process."""

    def __init__(
        self,
        stream: IO[bytes] | None,
        limit: int,
        *,
        stops: "subprocess.Popen[bytes] | None",
    ) -> None:
        super().__init__()
        assert stream is not None
        self._stream = stream
        self._limit = limit
        self._stops = stops
        self.kept = bytearray()
        self.exceeded = False
        self.start()

    @override
    def run(self) -> None:
        with self._stream as stream:
            while piece := os.read(stream.fileno(), PIECE_BYTES):
                room = self._limit - len(self.kept)
                self.kept += piece[:room]
                if len(piece) > room:
                    self.exceeded = True
                    if self._stops is not None:
                        _kill_group(self._stops)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
