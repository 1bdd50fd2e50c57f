"""Has a program run for as long as its client waits."""

import asyncio
from typing import Any, NamedTuple

from litestar import Request

from api.body import until_client_leaves
from api.dispatch import Dispatcher, TenantQueueFullError
from api.errors import ClientGoneError, RunFailedError
from api.rate_limits import queue_is_full
from api.server_timing import clock_of
from executor.messages import Failed, Finished, RunRequest
from executor.tool_messages import Waiting


class Outcome(NamedTuple):
    """How a program went."""

    session_id: str
    """Where its files are. Not where `RunRequest` says if it had to be begun again."""
    result: Finished | Waiting


async def run_while_connected(
    request: Request[Any, Any, Any], dispatcher: Dispatcher, run: RunRequest
) -> Outcome:
    """Return how the program went; one that calls tools may wait for them.

    Raises:
        ClientGoneError: The client left; the run is cancelled.
        RunFailedError: The service failed, not the program.
        RateLimitedError: Too many runs of the tenant's wait.
        DispatchError: See `Dispatcher.run`.
    """
    running = asyncio.create_task(dispatcher.run(run), name=f"run {run.run_id}")
    leaving = asyncio.create_task(until_client_leaves(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            leaving.result()  # What kept it from watching, if it was not the client's end.
            raise ClientGoneError
        report = running.result()
    except TenantQueueFullError as fault:
        raise queue_is_full(request, fault) from fault
    finally:
        # Also when the server stops and this very task is cancelled. The dispatcher tells
        # the executors before it gives way.
        running.cancel()
        leaving.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)
    clock_of(request).add(report.steps)
    if isinstance(report.result, Failed):
        raise RunFailedError(report.result.kind, report.result.detail)
    return Outcome(report.session_id or run.session_id, report.result)
