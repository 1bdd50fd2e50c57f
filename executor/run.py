"""The story of one run: claim a sandbox, bring the inputs, run, keep the outputs, report."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Protocol

from executor.concurrency import all_of, task_group
from executor.kept_state import StateKeeper, StateOfRun
from executor.memory import MemoryRules
from executor.messages import (
    Failed,
    FailureKind,
    Finished,
    MemoryClass,
    RunReport,
    RunRequest,
)
from executor.outcome import finished
from executor.outputs import discard, keep_outputs
from executor.pool import WarmPool
from executor.sandbox import (
    Execution,
    Program,
    RunLimits,
    Sandbox,
    SandboxLostError,
    SandboxRefusedError,
    SandboxUnavailableError,
)
from executor.state_locks import StateBusyError, StateFencedError, StateUnlockableError
from executor.steps import Steps
from sandbox.supervisor.programmatic.channel import Tool
from storage.errors import StorageUnavailableError, StoredFileNotFoundError
from storage.ports import OpenedObject
from storage.records import FileEntry
from storage.sessions import Sessions

PARALLEL_OPENS = 16
"""Inputs whose download is begun at once."""


class RunTakenError(Exception):
    """The run was begun before: its message has come a second time."""


class Work(Protocol):
    """What is to be done for a message, once it is known that nobody has begun it before."""

    def __call__(self, *, is_ours: Awaitable[bool]) -> Coroutine[Any, Any, RunReport]:
        """Do it, unless `is_ours` says no; see `Runner.run`."""
        ...


FAILURES: dict[type[Exception], FailureKind] = {
    SandboxUnavailableError: FailureKind.SANDBOX_UNAVAILABLE,
    SandboxLostError: FailureKind.SANDBOX_LOST,
    SandboxRefusedError: FailureKind.INPUT_TOO_LARGE,
    StoredFileNotFoundError: FailureKind.INPUT_UNAVAILABLE,
    StorageUnavailableError: FailureKind.STORAGE_UNAVAILABLE,
    StateBusyError: FailureKind.STATE_BUSY,
    StateFencedError: FailureKind.STATE_FENCED,
    StateUnlockableError: FailureKind.STATE_UNLOCKABLE,
    TimeoutError: FailureKind.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs programs one after the other or side by side; holds nothing of any of them."""

    pool: WarmPool
    sessions: Sessions
    limits: RunLimits
    memory: MemoryRules
    keeper: StateKeeper
    clock: Callable[[], float] = time.time
    """Unix time, as whoever set the deadlines has it."""

    async def run(
        self, request: RunRequest, *, is_ours: Awaitable[bool] | None = None
    ) -> RunReport:
        """Run one program in a sandbox of its own and keep the files it leaves behind.

        Never raises for what else can go wrong outside this process: that is in the report.
        Cancelling it destroys the sandbox and whatever was stored.

        Args:
            request: The program, and all that belongs to it.
            is_ours: Says whether nobody has begun it before; waited for once all is ready.

        Raises:
            RunTakenError: Somebody has. Nothing was run.
        """
        steps = Steps()
        result = await self._result(request, steps, is_ours)
        return RunReport(
            run_id=request.run_id, result=result, begun_at=steps.begun_at, steps=steps.times
        )

    async def _result(
        self, request: RunRequest, steps: Steps, is_ours: Awaitable[bool] | None
    ) -> Finished | Failed:
        left_s = request.deadline - self.clock()
        if left_s <= 0:  # Nobody waits any more: not even a sandbox is claimed.
            return Failed(kind=FailureKind.DEADLINE_EXCEEDED)
        try:
            async with asyncio.timeout(left_s):
                return await self._run(request, steps, is_ours)
        except tuple(FAILURES) as fault:
            return failure_of(fault)

    async def _run(
        self, request: RunRequest, steps: Steps, is_ours: Awaitable[bool] | None
    ) -> Finished:
        if request.state is not None:
            # A message that comes twice is not to take the lock from itself.
            await require_ours(request.run_id, is_ours)
        async with self.keeper.held_for(request) as state:
            sandbox = await self.prepared(request, steps, state)
            try:
                await require_ours(request.run_id, is_ours)
                execution = await sandbox.run()
                return await self.ended(request, sandbox, execution, steps, state)
            finally:
                self.pool.retire(sandbox)

    async def ended(
        self,
        request: RunRequest,
        sandbox: Sandbox,
        execution: Execution,
        steps: Steps,
        state: StateOfRun | None = None,
    ) -> Finished:
        """Keep what a program has left that has just ended, its workspace last.

        Raises:
            SandboxLostError: The sandbox broke while it was read; nothing is kept.
            StateFencedError: Another run has its workspace now, which is not kept.
        """
        steps.end("run")
        steps.note_program(execution.wall_time_ms)
        try:
            kept = await keep_outputs(request, sandbox, self.sessions, self.limits, steps)
        except BaseException:
            await discard(request, self.sessions)
            raise
        if state is None:
            return finished(execution, kept, self.limits)
        kept_state = await state.save(sandbox)
        steps.end("record")
        return finished(execution, kept, self.limits, kept_state)

    async def prepared(
        self, request: RunRequest, steps: Steps, state: StateOfRun | None = None
    ) -> Sandbox:
        """Return a sandbox with program and inputs in it, for the caller to retire.

        One that broke before the program began is replaced once: a pool may hold sandboxes
        that died while they waited, of a restart of the engine for instance.

        Raises:
            Exception: One of `FAILURES`.
        """
        if sum(entry.size_bytes for entry in request.inputs) > self.limits.total_bytes:
            raise SandboxRefusedError("the inputs are larger than the workspace")
        try:
            return await self._prepare(request, steps, state)
        except SandboxUnavailableError:
            return await self._prepare(request, steps, state)

    async def _prepare(
        self, request: RunRequest, steps: Steps, state: StateOfRun | None
    ) -> Sandbox:
        async with AsyncExitStack() as downloads:
            claimed = self.pool.claim(request.language, is_spare=request.is_spare)
            claim = asyncio.create_task(claimed)
            try:
                saved = None if state is None else await state.open(downloads)
                opened = await self._open_inputs(request, downloads)
                steps.end("open")
                sandbox = await claim
                steps.end("claim")
            except BaseException:
                self.pool.abandon(claim)
                raise
            try:
                async with task_group() as group:
                    if self._grows(request):
                        group.create_task(sandbox.grow(self.memory.large_bytes))
                    await sandbox.prepare(self._program(request), self._limits_of(request))
                    steps.end("prepare")
                    if saved is not None:
                        await sandbox.restore(saved)
                    for entry, download in zip(request.inputs, opened, strict=True):
                        await sandbox.put(
                            entry.name, download.chunks, read_only=entry.read_only
                        )
                steps.end("inputs")
            except BaseException:
                self.pool.retire(sandbox)
                raise
        return sandbox

    def _grows(self, request: RunRequest) -> bool:
        return self.memory.grows and self.memory.class_of(request) is MemoryClass.LARGE

    async def _open_inputs(
        self, request: RunRequest, downloads: AsyncExitStack
    ) -> list[OpenedObject]:
        """Begin every download while the sandbox is being claimed."""
        free = asyncio.Semaphore(PARALLEL_OPENS)

        async def open_one(entry: FileEntry) -> OpenedObject:
            async with free:
                return await downloads.enter_async_context(
                    self.sessions.open_file(request.tenant, entry)
                )

        return await all_of(open_one(entry) for entry in request.inputs)

    def _program(self, request: RunRequest) -> Program:
        tools = request.tools
        return Program(
            language=request.language,
            source=request.code.encode(),
            args=request.args,
            tools=None
            if tools is None
            else tuple(Tool(each.name, each.parameters, each.required) for each in tools),
            state=None if request.state is None else self.keeper.terms,
        )

    def _limits_of(self, request: RunRequest) -> RunLimits:
        if request.time_limit_s is None:
            return self.limits
        wall_time_s = min(self.limits.wall_time_s, request.time_limit_s)
        return replace(self.limits, wall_time_s=wall_time_s)


async def require_ours(run_id: str, is_ours: Awaitable[bool] | None) -> None:
    """Go on if nobody has begun the run before.

    Raises:
        RunTakenError: Somebody has.
    """
    if is_ours is not None and not await is_ours:
        raise RunTakenError(run_id)


def failure_of(fault: Exception) -> Failed:
    """Say what kind of failure one of `FAILURES` is."""
    kind = next(FAILURES[cause] for cause in type(fault).__mro__ if cause in FAILURES)
    return Failed(kind=kind)
