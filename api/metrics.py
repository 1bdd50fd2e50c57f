"""Figures for Prometheus: what runs end with, what their steps take, who can take more.

They name no tenant, no user and no file, and every label has a fixed set of values.
"""

import asyncio

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from typing_extensions import override

from api.auth import PUBLIC
from api.dispatch import (
    Dispatcher,
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    QueueFullError,
    Readiness,
    RunTimedOutError,
    TenantQueueFullError,
)
from api.server_timing import RequestClock
from api.settings import MetricsAccess
from executor.messages import Failed, Finished, RunReport, RunRequest, Stopped
from executor.tool_messages import Waiting
from sandbox.supervisor.languages import LANGUAGES

STEP_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)
"""From a step that costs nothing to the longest run."""

STOPPED: dict[Stopped, str] = {
    Stopped.TIME: "time_limit",
    Stopped.STDOUT: "output_limit",
    Stopped.MEMORY: "memory_limit",
    Stopped.CALLS: "call_limit",
    Stopped.CALL_BYTES: "call_limit",
}
FAULTS: dict[type[BaseException], str] = {
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
    """Name how a run ended: a label with few values."""
    result = report.result
    if isinstance(result, Failed):
        return result.kind.value
    return "waits" if isinstance(result, Waiting) else _ending(result)


def _ending(result: Finished) -> str:
    if result.stopped is not None:
        return STOPPED[result.stopped]
    if result.exit_code is None:
        return "killed"
    return "failed" if result.exit_code else "succeeded"


class Metrics:
    """Counts what goes through one API process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._runs = Counter(
            "code_command_runs",
            "Runs that have ended, by how.",
            ("outcome", "languages"),
            registry=self._registry,
        )
        self._waiting = Gauge(
            "code_command_runs_waiting",
            "Runs that this process waits for.",
            registry=self._registry,
        )
        self._queued = Gauge(
            "code_command_runs_queued",
            "Of those, runs that wait in this process for their turn.",
            registry=self._registry,
        )
        self._steps = Histogram(
            "code_command_run_step_seconds",
            "What the steps of runs took. `program` is a part of `run`.",
            ("step", "languages"),
            buckets=STEP_BUCKETS_S,
            registry=self._registry,
        )
        self._executors = Gauge(
            "code_command_executors",
            "Executors that give signs of life, by whether their engine answers.",
            ("engine",),
            registry=self._registry,
        )
        self._sandboxes = Gauge(
            "code_command_sandboxes",
            "Sandboxes of all executors. `preloaded` are among those that are `ready`.",
            ("state",),
            registry=self._registry,
        )
        self._slots = Gauge(
            "code_command_slots",
            "Programs that all executors run, and could run, at once.",
            ("state",),
            registry=self._registry,
        )

    def measured(self, dispatcher: Dispatcher) -> Dispatcher:
        """Return `dispatcher` with its runs counted."""
        return _CountingDispatcher(dispatcher, self._runs, self._waiting)

    def observe(self, clock: RequestClock) -> None:
        """Count the steps of a run's request."""
        group = language_group(clock.language)
        for step, ms in clock.steps_ms.items():
            self._steps.labels(step, group).observe(ms / 1000)

    def text(self, readiness: Readiness) -> bytes:
        """Write everything as Prometheus reads it."""
        self._queued.set(readiness.waiting)
        statuses = readiness.executors
        for engine in ("up", "down"):
            count = sum(1 for status in statuses if status.engine == engine)
            self._executors.labels(engine).set(count)
        for state in ("ready", "preloaded", "making", "removing", "held"):
            total = sum(getattr(status, f"{state}_sandboxes") for status in statuses)
            self._sandboxes.labels(state).set(total)
        self._slots.labels("running").set(sum(status.running for status in statuses))
        self._slots.labels("capacity").set(sum(status.capacity for status in statuses))
        return generate_latest(self._registry)


class _CountingDispatcher(Dispatcher):
    def __init__(self, inner: Dispatcher, runs: Counter, waiting: Gauge) -> None:
        self._inner = inner
        self._runs = runs
        self._waiting = waiting

    @override
    async def run(self, request: RunRequest) -> RunReport:
        group = language_group(request.language)
        outcome = "error"
        try:
            with self._waiting.track_inprogress():
                report = await self._inner.run(request)
            outcome = outcome_of(report)
        except tuple(FAULTS) as fault:
            outcome = next(FAULTS[kind] for kind in type(fault).__mro__ if kind in FAULTS)
            raise
        finally:
            self._runs.labels(outcome, group).inc()
        return report

    @override
    async def readiness(self) -> Readiness:
        return await self._inner.readiness()


def metrics_route(
    metrics: Metrics, dispatcher: Dispatcher, *, access: MetricsAccess
) -> HTTPRouteHandler:
    """Make `GET /metrics`."""

    @get("/metrics", include_in_schema=False, opt={PUBLIC: access == "open"})
    async def show_metrics() -> Response[bytes]:
        text = metrics.text(await dispatcher.readiness())
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return show_metrics
