"""The port every sandbox engine implements, and what it may raise.

A program that fails is a result; a sandbox that fails is an error:

* SandboxError
  * SandboxUnavailableError    none could be had, or it broke before the program began
  * SandboxRefusedError        the inputs do not fit into it
  * SandboxLostError           it broke, or broke the protocol, after the program began
"""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from executor.calls import CallsPending, ToolResult
from executor.known_escapes import Part
from executor.left_behind import Leftovers, OutputFile, Snapshot, StateTerms
from executor.messages import Stopped
from executor.shared_assets import AssetArchive
from sandbox.supervisor.programmatic.channel import Tool


class SandboxError(Exception):
    """The sandbox failed, not the program inside it."""


class SandboxUnavailableError(SandboxError):
    """No sandbox could be had, or it broke before the program began. Safe to retry."""


class SandboxRefusedError(SandboxError):
    """The inputs do not fit into the workspace. A retry fails the same way."""


class SandboxLostError(SandboxError):
    """It broke while the program ran, or said what no supervisor says.

    Safe to retry as far as anybody outside can see: its outputs are not stored.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be run."""

    language: str
    source: bytes
    args: tuple[str, ...] = ()
    tools: tuple[Tool, ...] | None = None
    """What it can call; `None`: it is a plain program, which has no line to call over."""
    state: StateTerms | None = None
    """How its workspace is kept for the next run; `None`: it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use; told to the sandbox, and enforced on this side as well."""

    wall_time_s: float
    stdout_bytes: int
    stderr_bytes: int
    file_bytes: int
    """Largest output file."""
    total_bytes: int
    """All output files together."""
    files: int = 50
    depth: int = 10
    path_chars: int = 256
    open_files: int = 2048
    """These four: librechat-contract 6.1."""
    extensions: tuple[str, ...] = ()
    """Which output files are kept, in lower case; all of them if there are none. Of dot files
    and of names without an extension, the whole base name (librechat-contract 3.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a program ended."""

    exit_code: int | None
    signal: str | None
    stopped: Stopped | None
    wall_time_ms: int
    stdout: bytes
    stderr: bytes
    stderr_cut: bool


@runtime_checkable
class Sandbox(Protocol):
    """One container, for one program. The methods are called once each, in this order.

    `preload`, `grow`, `restore` and `snapshot` may be left out; `grow` may run beside
    `prepare` and what follows. One with tools is begun with `begin`, not `run`; while it
    waits, `answer` goes on with it, and in between it may be frozen and thawed, repeatedly.
    """

    @property
    def name(self) -> str:
        """What the engine calls it."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it can still be used, as far as is known without asking."""
        ...

    @property
    def preloaded(self) -> bool:
        """Whether it holds what Python programs usually import."""
        ...

    async def preload(self) -> None:
        """Have it import what Python programs usually want; return once it has.

        Takes about a second of processor time. It may be cancelled, and `prepare` may come at
        any time: the import under way is finished (0.5 s at most, at half a processor), the
        rest is left out, and the sandbox is as good as ever.

        Raises:
            SandboxUnavailableError: It is gone, or what it said is no supervisor's answer.
        """
        ...

    async def prepare(self, program: Program, limits: RunLimits) -> None:
        """Hand over the program.

        Raises:
            SandboxUnavailableError: It is gone; another one may be tried.
        """
        ...

    async def grow(self, memory_bytes: int) -> None:
        """Let the programs use this much memory instead of what the engine gives by default.

        Counted without the workspace. It takes some 20 to 50 ms on Docker. Where the
        container's runtime cannot do it, the limit stays as it is, and the log says so.

        Raises:
            SandboxUnavailableError: It is gone, or the engine does not answer; another one
                may be tried.
        """
        ...

    async def restore(self, chunks: AsyncIterable[bytes]) -> None:
        """Put a workspace back, as `snapshot` gave it, for a program with `state`.

        What is none is left out as a whole, and said in the next `snapshot`.

        Raises:
            SandboxUnavailableError: It is gone; another one may be tried.
            Exception: What `chunks` raises passes through; the sandbox is useless then.
        """
        ...

    async def put(
        self, name: str, chunks: AsyncIterable[bytes], *, read_only: bool = False
    ) -> None:
        """Put an input file into the workspace, under a canonical relative path.

        With `read_only` a program that opens it for writing gets a `PermissionError` (mode
        0444). It is no protection: the file is the program's own, who may change its mode or
        replace it. What is told of it afterwards is as of any other.

        Raises:
            SandboxUnavailableError: It is gone; another one may be tried.
            Exception: What `chunks` raises passes through; the sandbox is useless then.
        """
        ...

    async def run(self) -> Execution:
        """Run the program to its end, or to its limits.

        Raises:
            SandboxRefusedError: The inputs did not fit.
            SandboxLostError: It broke.
        """
        ...

    async def begin(self) -> Execution | CallsPending:
        """Run a program with tools until it waits for them, or to its end, or to its limits.

        Only the time counts in which it does not wait.

        Raises:
            SandboxRefusedError: The inputs did not fit.
            SandboxLostError: It broke.
        """
        ...

    async def answer(self, results: Sequence[ToolResult]) -> Execution | CallsPending:
        """Give it answers to some of its calls, and run it on as `begin` does.

        Raises:
            SandboxLostError: It broke, or is gone.
        """
        ...

    async def freeze(self) -> None:
        """Keep every process in it from running, until `thaw` or `destroy`. May be repeated.

        Raises:
            SandboxUnavailableError: The engine cannot, or it is gone.
        """
        ...

    async def thaw(self) -> None:
        """Let them run again. May be repeated.

        Raises:
            SandboxUnavailableError: The engine cannot, or it is gone.
        """
        ...

    def outputs(self) -> AsyncIterator[OutputFile]:
        """Read out what the program left behind, one file after the other.

        Raises:
            SandboxLostError: It broke, or announced more than the limits allow.
        """
        ...

    @property
    def leftovers(self) -> Leftovers:
        """Known once `outputs` is exhausted."""
        ...

    async def snapshot(self) -> Snapshot:
        """Return the workspace of a program with `state`, once `outputs` is exhausted.

        Raises:
            SandboxLostError: It broke, or announced more than it may.
        """
        ...

    async def destroy(self) -> None:
        """Remove it with everything in it. May be repeated.

        Never raises for a sandbox that is gone already, nor for an engine that is down:
        leftovers are found later.
        """
        ...


@runtime_checkable
class SandboxEngine(Protocol):
    """Makes sandboxes, until it is closed."""

    async def create(self) -> Sandbox:
        """Start a fresh one, able to take a program.

        Raises:
            SandboxUnavailableError: The engine is down, full, or lacks the image.
        """
        ...

    def use_assets(self, assets: AssetArchive) -> None:
        """Give these shared files to sandboxes that are made from now on."""
        ...

    async def remove_leftovers(self) -> int:
        """Destroy what an earlier life of this executor left; return how many are gone.

        Raises:
            SandboxUnavailableError: The engine is down.
        """
        ...

    @property
    def left_behind(self) -> int:
        """How many could not be destroyed, and may be there still."""
        ...

    async def check(self) -> None:
        """Ask the engine whether it answers.

        Raises:
            SandboxUnavailableError: It does not.
        """
        ...

    async def parts(self) -> tuple[Part, ...]:
        """Return the programs that sandboxes are made with, as far as they can be asked.

        Raises:
            SandboxUnavailableError: They do not answer.
        """
        ...

    async def close(self) -> None:
        """Let go of the engine. Sandboxes are to be destroyed first."""
        ...
