"""How a run is told to the client: status, remarks, and the lines in stderr."""

from executor.messages import Finished, Stopped
from executor.outputs import Kept
from executor.sandbox import Execution

REMARKS = {
    Stopped.TIME: "Time limit exceeded",
    Stopped.STDOUT: "stdout length exceeded",
    Stopped.MEMORY: "Out of memory",
}
"""The contract's words (librechat-contract 6.1)."""


def finished(execution: Execution, kept: Kept, *, stderr_bytes: int) -> Finished:
    """Put together what a program did and what it left."""
    remark = REMARKS[execution.stopped] if execution.stopped else None
    if remark is None and execution.stderr_cut:
        remark = f"stderr truncated at {stderr_bytes} bytes"
    killed = execution.stopped is not None
    stderr = _text(execution.stderr)
    return Finished(
        exit_code=None if killed else execution.exit_code,
        signal="SIGKILL" if killed else execution.signal,
        stopped=execution.stopped,
        message=remark,
        stdout=_text(execution.stdout),
        stderr=f"{stderr}\n[sandbox] {remark}\n" if remark else stderr,
        wall_time_ms=execution.wall_time_ms,
        files=kept.files,
        deleted_files=kept.deleted,
        skipped=kept.skipped,
        skipped_count=kept.skipped_count,
    )


def _text(output: bytes) -> str:
    """Bytes as text that JSON can carry, whatever they are."""
    return output.decode("utf-8", "replace")
