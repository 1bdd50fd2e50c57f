"""How runs end, in a few words: for figures, the log, traces and the audit log."""

import asyncio
from collections.abc import Awaitable, Callable

from api.dispatch import (
    BrokerUnavailableError,
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    QueueFullError,
    RunTimedOutError,
    TenantQueueFullError,
)
from executor.messages import Failed, Finished, RunReport, Stopped
from executor.tool_messages import Waiting
from sandbox.supervisor.languages import LANGUAGES

ERROR = "error"
"""A bug of ours."""

STOPPED: dict[Stopped, str] = {
    Stopped.TIME: "time_limit",
    Stopped.STDOUT: "output_limit",
    Stopped.MEMORY: "memory_limit",
    Stopped.CALLS: "call_limit",
    Stopped.CALL_BYTES: "call_limit",
}
FAULTS: dict[type[BaseException], str] = {
    BrokerUnavailableError: "no_broker",
    ExecutorsUnavailableError: "no_executor",
    ExecutorLostError: "executor_lost",
    RunTimedOutError: "no_report_in_time",
    TenantQueueFullError: "tenant_queue_full",
    QueueFullError: "queue_full",
    DispatchError: "no_report",
    asyncio.CancelledError: "abandoned",
}


def language_group(language: str) -> str:
    """Return what kind of language it is: a label with few values."""
    known = LANGUAGES.get(language)
    if known is None:
        return "unknown"
    if known.command is None:
        return "python"
    return "compiled" if known.compiler else "other"


def outcome_of(report: RunReport) -> str:
    """Name how a run ended."""
    result = report.result
    if isinstance(result, Failed):
        return result.kind.value
    return "waits" if isinstance(result, Waiting) else _ending(result)


def outcome_of_fault(fault: BaseException) -> str:
    """Name why there is no report."""
    return next((FAULTS[kind] for kind in type(fault).__mro__ if kind in FAULTS), ERROR)


async def told(
    working: Awaitable[RunReport], tell: Callable[[str, RunReport | None], None]
) -> RunReport:
    """Wait for a report; say how it ended, and what came of it if there is a report.

    `tell` hears of a fault as well, which is then raised as it is.
    """
    report: RunReport | None = None
    outcome = ""
    try:
        report = await working
        outcome = outcome_of(report)
        return report  # noqa: TRY300 - what it was before is told below
    except BaseException as fault:
        outcome = outcome_of_fault(fault)
        raise
    finally:
        tell(outcome, report)


def _ending(result: Finished) -> str:
    if result.stopped is not None:
        return STOPPED[result.stopped]
    if result.exit_code is None:
        return "killed"
    return "failed" if result.exit_code else "succeeded"
