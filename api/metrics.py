"""Figures for Prometheus: what runs end with, what their steps take, who can take more.

They name no tenant, no user and no file, and every label has a small set of values.
"""

from collections.abc import Callable, Iterator, Mapping

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message, Scope
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from api.auth import PUBLIC
from api.dispatch import Readiness
from api.health import HealthCheck, State
from api.metrics_fleet import FleetCollector
from api.outcomes import language_group
from api.server_timing import RequestClock
from api.settings import MetricsAccess
from executor.messages import Finished, RunRequest

STEP_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)
"""From a step that costs nothing to the longest run."""

REFUSALS = {
    400: "invalid",
    401: "credentials",
    403: "scope",
    408: "too_slow",
    413: "too_large",
    422: "invalid",
    429: "rate",
    503: "unavailable",
}
"""What a refusal is called, by the status that tells a client of it."""


class Metrics:
    """Counts what goes through one API process."""

    def __init__(
        self, *, storage_errors: Mapping[str, int], expired: Callable[[], int]
    ) -> None:
        """Begin with nothing.

        Args:
            storage_errors: How often object storage has failed, by the operation.
            expired: Says how often something was asked for after its time.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._fleet = FleetCollector()
        self._registry.register(self._fleet)
        self._registry.register(_StorageCollector(storage_errors, expired))
        self._runs = self._counter(
            "code_command_runs",
            "Runs that have ended, by how. `abandoned`: the client left.",
            ("outcome", "language", "tenant_class"),
        )
        self._rounds = self._counter(
            "code_command_rounds",
            "Rounds of programs that call tools, after their first, by how they ended.",
            ("outcome",),
        )
        self._waiting = Gauge(
            "code_command_runs_waiting",
            "Runs that this process waits for.",
            registry=self._registry,
        )
        self._storage_up = Gauge(
            "code_command_storage_up",
            "Whether object storage answers this process.",
            registry=self._registry,
        )
        self._steps = Histogram(
            "code_command_run_step_seconds",
            "What the steps of runs took. `program` is a part of `run`.",
            ("step", "languages"),
            buckets=STEP_BUCKETS_S,
            registry=self._registry,
        )
        self._requests = self._counter(
            "code_command_requests", "Answers, by route and status.", ("route", "status")
        )
        self._refusals = self._counter(
            "code_command_refusals", "Requests that were refused, by why.", ("reason",)
        )
        self._skipped = self._counter(
            "code_command_files_skipped", "Files that programs left and that were not kept."
        )
        self._undelivered = self._counter(
            "code_command_files_undelivered", "Files that object storage did not take."
        )
        self._broker = self._counter(
            "code_command_broker_send_errors", "Runs and rounds that the broker did not take."
        )
        self._audit_errors = self._counter(
            "code_command_audit_errors", "Lines that could not be added to the audit log."
        )

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def run_began(self) -> None:
        """Note that a run is being waited for."""
        self._waiting.inc()

    def run_ended(
        self, request: RunRequest, outcome: str, result: Finished | None = None
    ) -> None:
        """Note how a run ended; `result` where its program did."""
        self._waiting.dec()
        self._runs.labels(outcome, request.language, request.tenant_class).inc()
        self._note_end(outcome, result)

    def round_ended(self, outcome: str, result: Finished | None = None) -> None:
        """The same of a later round of a program that calls tools."""
        self._rounds.labels(outcome).inc()
        self._note_end(outcome, result)

    def _note_end(self, outcome: str, result: Finished | None) -> None:
        if outcome == "no_broker":
            self._broker.inc()
        if result is None:
            return
        self._skipped.inc(result.skipped_count)
        if result.delivery is not None:
            self._undelivered.inc(result.delivery.failed)

    def audit_failed(self) -> None:
        """Note that a line of the audit log is lost."""
        self._audit_errors.inc()

    def observe(self, clock: RequestClock) -> None:
        """Count the steps of a run's request."""
        group = language_group(clock.language)
        for step, ms in clock.steps_ms.items():
            self._steps.labels(step, group).observe(ms / 1000)

    async def count_answer(self, message: Message, scope: Scope) -> None:
        """Count an answer as it goes out (a Litestar `before_send` hook)."""
        if message["type"] != "http.response.start":
            return
        status = message["status"]
        self._requests.labels(scope.get("path_template", "unknown"), str(status)).inc()
        if status in REFUSALS:
            self._refusals.labels(REFUSALS[status]).inc()

    def text(self, storage: State, readiness: Readiness) -> bytes:
        """Write everything as Prometheus reads it."""
        self._fleet.readiness = readiness
        self._storage_up.set(storage == "up")
        return generate_latest(self._registry)


class _StorageCollector(Collector):
    """What storage counts by itself."""

    def __init__(self, errors: Mapping[str, int], expired: Callable[[], int]) -> None:
        self._errors = errors
        self._expired = expired

    @override
    def collect(self) -> Iterator[Metric]:
        """Make the figures (a Prometheus collector)."""
        errors = CounterMetricFamily(
            "code_command_storage_errors",
            "Calls that object storage failed at.",
            labels=("operation",),
        )
        for operation, count in self._errors.items():
            errors.add_metric((operation,), count)
        yield errors
        yield CounterMetricFamily(
            "code_command_expired",
            "Sessions and files that were asked for after their time.",
            value=self._expired(),
        )


def metrics_route(
    metrics: Metrics, health: HealthCheck, *, access: MetricsAccess
) -> HTTPRouteHandler:
    """Make `GET /metrics`."""

    @get("/metrics", include_in_schema=False, opt={PUBLIC: access == "open"})
    async def show_metrics() -> Response[bytes]:
        text = metrics.text(*await health.look())
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return show_metrics
