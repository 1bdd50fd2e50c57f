"""The story of a program that calls tools: it runs, waits in its sandbox, and runs on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from executor.calls import CallsPending, ToolResult
from executor.held import Held, HeldProgram
from executor.messages import Failed, FailureKind, Finished, RunReport, RunRequest
from executor.run import FAILURES, Runner, failure_of, require_ours
from executor.sandbox import Execution, SandboxUnavailableError
from executor.steps import Steps
from executor.tool_messages import PendingCall, RoundRequest, Waiting

Result = Finished | Waiting | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammaticRunner:
    """Runs programs that call tools, a round at a time.

    Between two rounds nothing of a program is left but its sandbox, in `held`.
    """

    runner: Runner
    held: Held
    instance_id: str

    async def begin(
        self, request: RunRequest, *, is_ours: Awaitable[bool] | None = None
    ) -> RunReport:
        """Run a program until it waits for the first time, or to its end.

        Never raises for what else can go wrong outside this process: that is in the report.
        Cancelling it destroys the sandbox.

        Raises:
            RunTakenError: As `Runner.run`.
        """

        async def run(steps: Steps) -> Result:
            sandbox = await self.runner.prepared(request, steps)
            try:
                await require_ours(request.run_id, is_ours)
            except BaseException:
                self.runner.pool.retire(sandbox)
                raise
            program = HeldProgram(request=request, sandbox=sandbox)
            return await self._watched(program, sandbox.begin, steps)

        return await self._reported(request, run)

    async def carry_on(
        self, request: RoundRequest, *, is_ours: Awaitable[bool] | None = None
    ) -> RunReport:
        """Give a program that waits its answers, and run it until it waits again, or ends.

        As `begin`. A program that does not wait here is `NOT_HELD`; so is one whose sandbox is
        gone. Answers that it has had already change nothing.
        """

        async def run(steps: Steps) -> Result:
            await require_ours(request.run_id, is_ours)
            program = self.held.take(request.held_run_id)
            if program is None:
                return Failed(kind=FailureKind.NOT_HELD)
            results = _new_results(request, program)

            async def go_on() -> Execution | CallsPending:
                await program.wake()
                return await program.sandbox.answer(results)

            if not results and program.waiting is not None:
                waiting = program.waiting
                self.held.add(program)  # It was asked for what it has said already.
                return waiting
            self.runner.pool.take_up(program.sandbox)
            program.answered |= {result.number for result in results}
            try:
                return await self._watched(program, go_on, steps)
            except SandboxUnavailableError:
                return Failed(kind=FailureKind.NOT_HELD)

        return await self._reported(request, run)

    async def _watched(
        self,
        program: HeldProgram,
        work: Callable[[], Awaitable[Execution | CallsPending]],
        steps: Steps,
    ) -> Result:
        """Do `work`; keep the sandbox if the program waits then, else have it destroyed."""
        request, sandbox = program.request, program.sandbox
        waits = False
        try:
            outcome = await work()
            if isinstance(outcome, Execution):
                return await self.runner.ended(request, sandbox, outcome, steps)
            steps.end("run")
            unknown = _unknown_tool(request, outcome)
            if unknown is not None:
                return Failed(kind=FailureKind.UNKNOWN_TOOL, detail=unknown)
            program.waiting = self._waiting(request.run_id, outcome)
            waits = True
            return program.waiting
        finally:
            if waits:
                self.runner.pool.set_aside(sandbox)
                self.held.add(program)
            else:
                program.give_up()
                self.runner.pool.retire(sandbox)

    async def _reported(
        self, request: RunRequest | RoundRequest, run: Callable[[Steps], Awaitable[Result]]
    ) -> RunReport:
        steps = Steps()
        result: Result = Failed(kind=FailureKind.DEADLINE_EXCEEDED)
        left_s = request.deadline - self.runner.clock()
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    result = await run(steps)
            except tuple(FAILURES) as fault:
                result = failure_of(fault)
        return RunReport(
            run_id=request.run_id, result=result, begun_at=steps.begun_at, steps=steps.times
        )

    def _waiting(self, run_id: str, pending: CallsPending) -> Waiting:
        calls = tuple(
            PendingCall(number=call.number, tool=call.tool, input=call.input.decode())
            for call in pending.calls
        )
        return Waiting(
            run_id=run_id,
            executor=self.instance_id,
            calls=calls,
            stdout=pending.stdout.decode("utf-8", "replace"),
            stderr=pending.stderr.decode("utf-8", "replace"),
        )


def _new_results(request: RoundRequest, program: HeldProgram) -> list[ToolResult]:
    waiting = program.waiting
    wanted = {call.number for call in waiting.calls} if waiting is not None else set[int]()
    new = {each.number: each for each in request.results if each.number in wanted}
    return [
        ToolResult(number=each.number, text=each.text.encode(), is_error=each.is_error)
        for number, each in new.items()
        if number not in program.answered
    ]


def _unknown_tool(request: RunRequest, pending: CallsPending) -> str | None:
    known = {tool.name for tool in request.tools or ()}
    return next((call.tool for call in pending.calls if call.tool not in known), None)
