"""The port through which the API has programs run."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from executor.messages import (
    RunReport,
    RunRequest,
)
from executor.signs_of_life import ExecutorStatus


class DispatchError(Exception):
    """A run could not be carried to an executor and back."""


class ExecutorsUnavailableError(DispatchError):
    """The broker does not answer, or no executor is alive. Safe to retry."""


class BrokerUnavailableError(ExecutorsUnavailableError):
    """The broker does not answer. Safe to retry."""


class ExecutorLostError(DispatchError):
    """The executor vanished during the run, twice. Nothing was stored; safe to retry."""


class RunTimedOutError(DispatchError):
    """No report came before the run's deadline, or no turn in the time that it may wait."""


class TenantQueueFullError(DispatchError):
    """Too many runs of the tenant's wait for their turn. Nothing was started; safe to retry."""

    def __init__(self, tenant: str, *, limit: int) -> None:
        super().__init__(f"{limit} runs of tenant {tenant} wait")
        self.limit = limit
        """How many may wait."""


class QueueFullError(DispatchError):
    """Too many runs of all tenants wait. Nothing was started; safe to retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the dispatcher sees of broker and executors."""

    broker_up: bool
    executors: tuple[ExecutorStatus, ...]
    waiting: int = 0
    """Runs that wait in this process for their turn."""
    oldest_wait_s: float = 0.0
    """How long the first of them has waited."""
    queue_length: int | None = None
    """Runs that lie at the broker; `None` where the results are elsewhere."""
    broker_errors: int = 0
    """How often it did not answer when it was asked for executors."""


@runtime_checkable
class Dispatcher(Protocol):
    """Carries a run to an executor and its report back."""

    async def run(self, request: RunRequest) -> RunReport:
        """Have `request` run; return its report, with what every step of it took.

        A run whose executor died, or ended before it, is sent once more: it has no effect
        outside its sandbox before its outputs are stored, and those lie under a session id that
        no client has seen; the second time under another (`RunReport.session_id`). When the
        caller is cancelled (its client left), the run is cancelled too.

        Raises:
            ExecutorsUnavailableError: Nobody can take it; nothing was started.
            ExecutorLostError: The executor died, and so did the second one.
            RunTimedOutError: `request.deadline` passed, or its turn did not come in time.
            TenantQueueFullError, QueueFullError: Too many wait for their turn.
        """
        ...

    async def readiness(self) -> Readiness:
        """Say what is up, within a second; never raises."""
        ...
