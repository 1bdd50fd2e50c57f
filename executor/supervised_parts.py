"""What a supervisor is told of a job, and what an engine does for its sandbox."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from executor.calls import ToolResult
from executor.claims import SnapshotClaim, SummaryClaim, read_claim
from executor.left_behind import SnapshotOutcome
from executor.sandbox import (
    Leftovers,
    Program,
    RunLimits,
    SandboxLostError,
    Snapshot,
    StateTerms,
)
from sandbox.supervisor.frames import Frame, Kind

PRELOAD_TIMEOUT_S = 60.0
"""Preloading takes about a second of processor time; on a machine in trouble, far more."""

RUN_GRACE_S = 4.0
"""What a supervisor may take to end a program that is over its time. One that takes longer
is out of our hands: its container is killed, and the program counts as over its time. The
answer is to come within 5 s of the time limit, and is put together after this."""


WasKilledForMemory = Callable[[], Awaitable[bool]]
Destroy = Callable[[], Awaitable[None]]
Grow = Callable[[int], Awaitable[None]]


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
        "state": None
        if program.state is None
        else {"max_bytes": program.state.max_bytes, "variables": program.state.variables},
    }


def read_leftovers(frame: Frame) -> Leftovers:
    """Make sense of a SUMMARY frame.

    Raises:
        SandboxLostError: It is none.
    """
    if frame.kind is not Kind.SUMMARY:
        raise SandboxLostError(f"{frame.kind.name} instead of a summary")
    summary = read_claim(SummaryClaim, frame)
    return Leftovers(
        unchanged=frozenset(summary.unchanged),
        deleted=frozenset(summary.deleted),
        skipped=summary.skipped_files(),
        skip_counts=summary.counts(),
    )


def read_snapshot(frame: Frame, terms: StateTerms) -> Snapshot:
    """Make sense of a SNAPSHOT frame; the chunks are still to come.

    Raises:
        SandboxLostError: It is none, or announces more than may be kept.
    """
    if frame.kind is not Kind.SNAPSHOT:
        raise SandboxLostError(f"{frame.kind.name} instead of a snapshot")
    claim = read_claim(SnapshotClaim, frame)
    outcome = SnapshotOutcome(claim.outcome)
    if outcome is SnapshotOutcome.CHANGED and claim.size > terms.max_bytes:
        raise SandboxLostError("the sandbox announced a larger workspace than is kept")
    return Snapshot(
        outcome=outcome,
        restored=claim.restored,
        discarded=claim.discarded,
        size_bytes=claim.size,
    )


def result_fields(result: ToolResult) -> dict[str, object]:
    """Return the fields of a RESULT frame; the text follows."""
    return {"number": result.number, "is_error": result.is_error, "size": len(result.text)}


def leftovers_after_loss(inputs: Iterable[str]) -> Leftovers:
    """What a program did to its inputs is gone with the workspace; they are not."""
    return Leftovers(unchanged=frozenset(inputs), deleted=frozenset(), skipped=())
