"""What is said of a run, in the log and in traces: never what was run or printed."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from executor.messages import Failed, Finished, RunReport, RunRequest
from executor.tool_messages import RoundRequest
from telemetry import traces
from telemetry.ids import bound

_log = logging.getLogger(__name__)


@contextmanager
def followed(request: RunRequest | RoundRequest) -> Generator[None, None, None]:
    """Have the ids of the run in every log line, and a span of it, until the block ends."""
    session_id = request.session_id if isinstance(request, RunRequest) else ""
    with (
        bound(run_id=request.run_id, session_id=session_id, request_id=request.request_id),
        traces.span(
            "executor",
            kind="consumer",
            parent=request.trace,
            attributes={"run_id": request.run_id, "session_id": session_id},
        ),
    ):
        yield


def told_by_another(request: RunRequest | RoundRequest) -> None:
    """Say that the run's message has come before."""
    _log.warning("run %s has come twice; it is run once", request.run_id)


def ended(name: str, report: RunReport) -> None:
    """Say how the run called `name` went."""
    result = report.result
    if isinstance(result, Failed):
        outcome = f"failed: {result.kind.value}"
    elif isinstance(result, Finished):
        code = result.signal or result.exit_code
        outcome = f"ended with {code} after {result.wall_time_ms} ms, {len(result.files)} files"
    else:
        outcome = f"waits for {len(result.calls)} calls"
    _log.info("run %s, %s: %s", report.run_id, name, outcome)
