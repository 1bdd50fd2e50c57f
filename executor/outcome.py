"""How a run is told to the client: status, remarks, and the lines in stderr."""

from collections.abc import Sequence

from executor.kept_state import KeptState
from executor.messages import Finished, Stopped
from executor.outputs import Kept
from executor.sandbox import Execution, RunLimits
from sandbox.supervisor.programmatic.channel import MAX_CALLS, MAX_INPUT_BYTES
from sandbox.supervisor.skips import HARMLESS, SkipReason

REMARKS = {
    Stopped.TIME: "Time limit exceeded",
    Stopped.STDOUT: "stdout length exceeded",
    Stopped.MEMORY: "Out of memory",
    Stopped.CALLS: f"Execution exceeded maximum tool calls ({MAX_CALLS})",
    Stopped.CALL_BYTES: f"Tool inputs are larger than {MAX_INPUT_BYTES} bytes together",
}
"""The contract's words (librechat-contract 6.1)."""

MAX_SHOWN = 5
"""Names in a line about files. The answer's fields have more."""


def finished(
    execution: Execution, kept: Kept, limits: RunLimits, state: KeptState | None = None
) -> Finished:
    """Put together what a program did and what it left; `state`, if it keeps its workspace."""
    remark = REMARKS[execution.stopped] if execution.stopped else None
    if remark is None and execution.stderr_cut:
        remark = f"stderr truncated at {limits.stderr_bytes} bytes"
    killed = execution.stopped is not None
    lines = [line for line in (remark, _not_kept(kept, limits), _lost(kept)) if line]
    lines += () if state is None else state.remarks
    stderr = _text(execution.stderr)
    return Finished(
        exit_code=None if killed else execution.exit_code,
        signal="SIGKILL" if killed else execution.signal,
        stopped=execution.stopped,
        message=remark,
        stdout=_text(execution.stdout),
        stderr="\n".join([stderr, *(f"[sandbox] {line}" for line in lines), ""])
        if lines
        else stderr,
        wall_time_ms=execution.wall_time_ms,
        files=kept.files,
        deleted_files=kept.deleted,
        skipped=kept.skipped,
        skipped_count=kept.skips.total,
        skip_reasons=tuple(sorted(reason.value for reason in kept.skips.counts)),
        delivery=kept.delivery,
        state_reused=None if state is None else state.reused,
    )


def _not_kept(kept: Kept, limits: RunLimits) -> str | None:
    """Say what somebody would miss: clients show models stderr, and no other field.

    What is harmless stays unsaid, since LibreChat takes a stderr without a stdout for an
    error (librechat-contract 3.9), and tools leave links and caches in every other run.
    """
    missed = [skipped for skipped in kept.skips.named if skipped.reason not in HARMLESS]
    if not missed:
        return None
    reasons = _reasons(limits)
    shown = [f"{name} ({reasons[reason]})" for name, reason in missed]
    return f"{_files(kept.skips.missed)} not kept: {_some(shown, kept.skips.missed)}"


def _lost(kept: Kept) -> str | None:
    """Say which files storage refused: to the program they were well."""
    if not kept.lost:
        return None
    return (
        f"{_files(len(kept.lost))} lost, because storage failed:"
        f" {_some(kept.lost, len(kept.lost))}; run the program again"
    )


def _files(count: int) -> str:
    return "1 file was" if count == 1 else f"{count} files were"


def _some(shown: Sequence[str], count: int) -> str:
    more = count - min(len(shown), MAX_SHOWN)
    return ", ".join(shown[:MAX_SHOWN]) + (f" and {more} more" if more else "")


def _reasons(limits: RunLimits) -> dict[SkipReason, str]:
    return {
        SkipReason.FILE_TOO_LARGE: f"larger than {limits.file_bytes} bytes",
        SkipReason.TOO_MANY_FILES: f"more than {limits.files} files",
        SkipReason.TOTAL_SIZE: f"more than {limits.total_bytes} bytes in all",
        SkipReason.PATH_TOO_LONG: (
            f"path over {limits.path_chars} characters or {limits.depth} levels"
        ),
        SkipReason.UNSAFE_NAME: "name with a backslash, a control character or invalid UTF-8",
        SkipReason.EXTENSION_NOT_KEPT: "files with this ending are not kept",
        SkipReason.READ_ONLY_INPUT: "the input is read-only",
        SkipReason.UNREADABLE: "unreadable",
        SkipReason.TOO_MANY_ENTRIES: "too many entries in the folder",
        SkipReason.OTHER: "not kept",
    }


def _text(output: bytes) -> str:
    """Bytes as text that JSON can carry, whatever they are."""
    return output.decode("utf-8", "replace")
