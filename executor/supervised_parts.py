"""What a supervisor is told of a job, and what an engine does for its sandbox."""

from collections.abc import Iterable
from typing import Protocol

from executor.calls import ToolResult
from executor.sandbox import Leftovers, Program, RunLimits

PRELOAD_TIMEOUT_S = 60.0
"""Preloading takes about a second of processor time; on a machine in trouble, far more."""

RUN_GRACE_S = 4.0
"""What a supervisor may take to end a program that is over its time. One that takes longer
is out of our hands: its container is killed, and the program counts as over its time. The
answer is to come within 5 s of the time limit, and is put together after this."""


class Freezer(Protocol):
    """Keeps a sandbox's processes from running, as its engine can."""

    async def freeze(self) -> None:
        """See `Sandbox.freeze`."""
        ...

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
        ...


def job_fields(program: Program, limits: RunLimits) -> dict[str, object]:
    """Return the fields of a JOB frame."""
    return {
        "language": program.language,
        "args": list(program.args),
        "limits": {
            "wall_time_s": limits.wall_time_s,
            "stdout_bytes": limits.stdout_bytes,
            "stderr_bytes": limits.stderr_bytes,
            "file_bytes": limits.file_bytes,
            "total_bytes": limits.total_bytes,
            "files": limits.files,
            "depth": limits.depth,
            "path_chars": limits.path_chars,
            "open_files": limits.open_files,
        },
        "extensions": list(limits.extensions),
    }


def result_fields(result: ToolResult) -> dict[str, object]:
    """Return the fields of a RESULT frame; the text follows."""
    return {"number": result.number, "is_error": result.is_error, "size": len(result.text)}


def leftovers_after_loss(inputs: Iterable[str]) -> Leftovers:
    """What a program did to its inputs is gone with the workspace; they are not."""
    return Leftovers(unchanged=frozenset(inputs), deleted=frozenset(), skipped=())
