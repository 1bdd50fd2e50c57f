"""Figures that others keep, read when Prometheus asks: the executors', storage's, the queue's.

Each API process tells the same of the executors, whose signs of life all of them read: a query
takes `max by (executor)` of them, never a sum over processes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from api.dispatch import Readiness
from executor.signs_of_life import ExecutorFigures, ExecutorStatus

SANDBOX_STATES = {
    "ready": "ready_sandboxes",
    "preloaded": "preloaded_sandboxes",
    "starting": "making_sandboxes",
    "busy": "running",
    "held": "held_sandboxes",
    "removing": "removing_sandboxes",
    "left": "left_sandboxes",
}
SLOT_STATES = {"running": "running", "capacity": "capacity"}
COUNTS = {
    "sandboxes_made": "Sandboxes that were made.",
    "sandboxes_failed": "Sandboxes that could not be made.",
    "sandboxes_removed": "Sandboxes that were destroyed, or left to the next clean-up.",
    "leftovers_removed": "Sandboxes of an earlier life, and left ones, that were removed.",
    "storage_errors": "Calls of executors that object storage failed at.",
    "broker_errors": "Signs of life and reports that the result store did not take at once.",
}
"""Of `ExecutorFigures`, and what each means."""


class FleetCollector(Collector):
    """Tells what `readiness` held last."""

    def __init__(self) -> None:
        self.readiness = Readiness(broker_up=False, executors=())

    @override
    def collect(self) -> Iterator[Metric]:
        """Make the figures (a Prometheus collector)."""
        yield from _of_the_queue(self.readiness)
        yield _engines(self.readiness)
        yield _by_state(
            self.readiness,
            "code_command_sandboxes",
            "Sandboxes of an executor. `preloaded` are among those that are `ready`.",
            SANDBOX_STATES,
        )
        yield _by_state(
            self.readiness,
            "code_command_slots",
            "Programs that an executor runs, and could run, at once.",
            SLOT_STATES,
        )
        yield from _counts(self.readiness)


def _of_the_queue(readiness: Readiness) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "code_command_broker_up",
        "Whether broker and result store answer this process.",
        value=float(readiness.broker_up),
    )
    yield CounterMetricFamily(
        "code_command_broker_watch_errors",
        "How often they did not when this process looked for executors.",
        value=readiness.broker_errors,
    )
    if readiness.queue_length is not None:
        yield GaugeMetricFamily(
            "code_command_broker_queue_length",
            "Runs that lie at the broker. All processes tell the same.",
            value=readiness.queue_length,
        )
    yield GaugeMetricFamily(
        "code_command_runs_queued",
        "Runs that wait in this process for their turn.",
        value=readiness.waiting,
    )
    yield GaugeMetricFamily(
        "code_command_runs_queued_oldest_seconds",
        "How long the first of those has waited.",
        value=readiness.oldest_wait_s,
    )


def _engines(readiness: Readiness) -> Metric:
    family = GaugeMetricFamily(
        "code_command_executors",
        "Executors that give signs of life, by whether their engine answers.",
        labels=("engine",),
    )
    engines = Counter(status.engine for status in readiness.executors)
    for engine in ("up", "down"):
        family.add_metric((engine,), engines[engine])
    return family


def _by_state(
    readiness: Readiness, name: str, meaning: str, attributes: Mapping[str, str]
) -> Metric:
    """Show some of what executors say, each attribute as a state."""
    family = GaugeMetricFamily(name, meaning, labels=("executor", "state"))
    for state, attribute in attributes.items():
        for executor, total in _sums(readiness, attribute).items():
            family.add_metric((executor, state), total)
    return family


def _counts(readiness: Readiness) -> Iterator[Metric]:
    for attribute, meaning in COUNTS.items():
        family = CounterMetricFamily(
            f"code_command_executor_{attribute}", meaning, labels=("executor",)
        )
        for name, total in _sums(readiness, attribute).items():
            family.add_metric((name,), total)
        yield family


def _sums(readiness: Readiness, attribute: str) -> Mapping[str, int]:
    """Add up by the executors' names: of one that restarts, two instances may be known."""
    sums: Counter[str] = Counter()
    for status in readiness.executors:
        sums[status.name] += _value(status, attribute)
    return sums


def _value(status: ExecutorStatus, attribute: str) -> int:
    of = status.figures if attribute in ExecutorFigures.model_fields else status
    return getattr(of, attribute)
