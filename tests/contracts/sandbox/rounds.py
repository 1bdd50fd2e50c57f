"""Programs that call tools, driven round by round as a client would."""

import json
import textwrap
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from executor.calls import CallsPending, ToolResult
from executor.pool import WarmPool
from executor.sandbox import Execution, Program, RunLimits, Sandbox
from sandbox.supervisor.programmatic.channel import Tool
from tests.contracts.sandbox.lab import LIMITS, prepare_for

WEATHER = Tool("get-weather", ("city", "unit"), ("city",))
ECHO = Tool("repeat", ("value",), ("value",))
TOOLS = (WEATHER, ECHO)


class ToolFailedError(Exception):
    """Raised by a test's tool: it is told to the program as an error."""


Answer = Callable[[str, Any], Any]


def repeat(_tool: str, given: Any) -> Any:
    """A tool that gives back what it was given."""
    return given.get("value")


def result(number: int, value: Any) -> ToolResult:
    return ToolResult(number=number, text=json.dumps(value).encode())


def error(number: int, message: str) -> ToolResult:
    return ToolResult(number=number, text=message.encode(), is_error=True)


@dataclass
class Rounds:
    """One program, and what it has asked for."""

    sandbox: Sandbox
    seen: list[list[tuple[str, Any]]] = field(default_factory=list[list[tuple[str, Any]]])
    """Of each round, tools and inputs."""

    def note(self, pending: CallsPending) -> None:
        self.seen.append([(call.tool, json.loads(call.input)) for call in pending.calls])

    async def to_the_end(self, outcome: Execution | CallsPending, answer: Answer) -> Execution:
        while isinstance(outcome, CallsPending):
            self.note(outcome)
            outcome = await self.sandbox.answer(
                [
                    _answered(call.number, answer, call.tool, call.input)
                    for call in outcome.calls
                ]
            )
        return outcome


def _answered(number: int, answer: Answer, tool: str, given: bytes) -> ToolResult:
    try:
        return result(number, answer(tool, json.loads(given)))
    except ToolFailedError as failed:
        return error(number, str(failed))


@dataclass(frozen=True)
class RoundsLab:
    """Each program in a sandbox of its own."""

    pool: WarmPool

    @asynccontextmanager
    async def started(
        self,
        language: str,
        code: str,
        *,
        tools: Sequence[Tool] = TOOLS,
        limits: RunLimits = LIMITS,
        inputs: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[tuple[Rounds, Execution | CallsPending]]:
        source = textwrap.dedent(code).lstrip("\n").encode()
        program = Program(language=language, source=source, tools=tuple(tools))
        sandbox = await self.pool.claim(language)
        try:
            await prepare_for(sandbox, program, limits, inputs or {})
            yield Rounds(sandbox), await sandbox.begin()
        finally:
            self.pool.retire(sandbox)

    async def python(
        self, code: str, answer: Answer = repeat, **more: Any
    ) -> tuple[Execution, list[list[tuple[str, Any]]]]:
        """Run it to its end; return that, and the calls of each round."""
        async with self.started("py", code, **more) as (rounds, outcome):
            return await rounds.to_the_end(outcome, answer), rounds.seen

    async def bash(
        self, code: str, answer: Answer = repeat, **more: Any
    ) -> tuple[Execution, list[list[tuple[str, Any]]]]:
        """As `python` does."""
        async with self.started("bash", code, **more) as (rounds, outcome):
            return await rounds.to_the_end(outcome, answer), rounds.seen
