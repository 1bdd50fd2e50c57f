"""Runs programs in sandboxes, and holds what became of them."""

import dataclasses
import textwrap
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from executor.messages import Stopped
from executor.pool import WarmPool
from executor.sandbox import Execution, Leftovers, Program, RunLimits, Sandbox

MIB = 1024 * 1024

LIMITS = RunLimits(
    wall_time_s=20,
    stdout_bytes=65_536,
    stderr_bytes=65_536,
    file_bytes=50 * MIB,
    total_bytes=100 * MIB,
)

PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run, from its output to the files it left."""

    execution: Execution
    files: Mapping[str, bytes]
    leftovers: Leftovers

    @property
    def stdout(self) -> str:
        return self.execution.stdout.decode()

    @property
    def stderr(self) -> str:
        return self.execution.stderr.decode()

    @property
    def exit_code(self) -> int | None:
        return self.execution.exit_code

    @property
    def signal(self) -> str | None:
        return self.execution.signal

    @property
    def stopped(self) -> Stopped | None:
        return self.execution.stopped

    @property
    def skipped(self) -> dict[str, str]:
        return dict(self.leftovers.skipped)


@dataclass(frozen=True, slots=True)
class Lab:
    """Each run in a sandbox of its own."""

    pool: WarmPool
    limits: RunLimits = field(default=LIMITS)
    memory_bytes: int | None = None
    """What sandboxes are told to grow to."""

    def limited(self, **changes: float) -> "Lab":
        return dataclasses.replace(self, limits=dataclasses.replace(self.limits, **changes))

    def grown(self, memory_bytes: int) -> "Lab":
        return dataclasses.replace(self, memory_bytes=memory_bytes)

    async def python(
        self, code: str, *args: str, inputs: Mapping[str, bytes] | None = None
    ) -> Ran:
        return await self.run("py", code, args, inputs or {})

    async def bash(
        self, code: str, *args: str, inputs: Mapping[str, bytes] | None = None
    ) -> Ran:
        return await self.run("bash", code, args, inputs or {})

    async def run(
        self, language: str, code: str, args: tuple[str, ...], inputs: Mapping[str, bytes]
    ) -> Ran:
        source = textwrap.dedent(code).lstrip("\n").encode()
        program = Program(language=language, source=source, args=args)
        sandbox = await self.pool.claim(language)
        try:
            if self.memory_bytes is not None:
                await sandbox.grow(self.memory_bytes)
            return await run_in(sandbox, program, self.limits, inputs)
        finally:
            self.pool.retire(sandbox)


async def run_in(
    sandbox: Sandbox, program: Program, limits: RunLimits, inputs: Mapping[str, bytes]
) -> Ran:
    """Take one sandbox from `prepare` to the last of its files."""
    await prepare_for(sandbox, program, limits, inputs)
    return await finish(sandbox)


async def prepare_for(
    sandbox: Sandbox, program: Program, limits: RunLimits, inputs: Mapping[str, bytes]
) -> None:
    await sandbox.prepare(program, limits)
    for name, content in inputs.items():
        await sandbox.put(name, pieces(content))


async def finish(sandbox: Sandbox) -> Ran:
    """Run what a sandbox was prepared for, and read all that it leaves."""
    execution = await sandbox.run()
    files = {
        output.name: b"".join([chunk async for chunk in output.chunks])
        async for output in sandbox.outputs()
    }
    return Ran(execution=execution, files=files, leftovers=sandbox.leftovers)


async def pieces(content: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
