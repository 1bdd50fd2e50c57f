"""One tenant floods, another asks now and then: how long that one waits, behind how many."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.crowd import crowd
from tests.bench.programs import HELLO, run_once
from tests.bench.reports import BenchError
from tests.bench.rows import Row, Unit, at_most, at_most_times
from tests.bench.samples import median, percentile, shown
from tests.bench.server_timing import typical_steps
from tests.live.running_service import TENANTS

FLOOD = 400
"""Runs at once: more than are answered while the other tenant is looked at."""

PAUSE_S = 0.25
"""Between two runs of the other tenant: in a quiet service the pool is full again by then."""

OUT = 12
"""What executor and broker have at a time on four processors; on two it is 6."""


@dataclass(slots=True)
class _Asked:
    """What came of the runs of the tenant that does not flood."""

    took_ms: list[float] = field(default_factory=list[float])
    timings: list[str] = field(default_factory=list[str])
    overtaken: list[float] = field(default_factory=list[float])
    """How many runs of the flood were answered while each of them waited."""


def _measure(bench: Bench) -> Rows:
    count = bench.times(20, 10)
    beside = _Asked()
    quiet = _Asked()
    flood_p95, quiet_p95 = interleaved(
        bench.times(3, 1),
        lambda: _beside_a_flood(bench, count, beside),
        lambda: _in_a_quiet_service(bench, count, quiet),
        bench.say,
    )
    yield Row(
        name="hello beside a flood, p95",
        unit=Unit.MS,
        ours=flood_p95,
        baseline=quiet_p95,
        baseline_name="p95 in a quiet service",
        targets=(at_most_times(2),),
        remarks={
            "p50": f"{shown(median(beside.took_ms))} ms",
            "p50 in a quiet service": f"{shown(median(quiet.took_ms))} ms",
            **typical_steps(beside.timings),
        },
    )
    yield Row(
        name=f"of a flood of {FLOOD}, answered while one hello waits",
        unit=Unit.COUNT,
        ours=tuple(beside.overtaken),
        targets=(at_most(OUT),),
        remarks={"at most": shown(max(beside.overtaken))},
    )


def _beside_a_flood(bench: Bench, count: int, asked: _Asked) -> float:
    """Return the 95th percentile of so many runs.

    Raises:
        BenchError: The flood was over before they were.
    """
    bench.subject.rest.wait()
    flooding = bench.subject.own.keys[TENANTS[1]]
    with crowd(bench.subject.address, flooding, count=FLOOD, busy=0) as answered:
        p95 = _ask(bench, count, asked, answered)
        if answered() == FLOOD:
            raise BenchError(f"{FLOOD} runs were answered too soon to measure beside them")
    bench.subject.rest.disturb()
    return p95


def _in_a_quiet_service(bench: Bench, count: int, asked: _Asked) -> float:
    bench.subject.rest.wait()
    return _ask(bench, count, asked, lambda: 0)


def _ask(bench: Bench, count: int, asked: _Asked, answered: Callable[[], int]) -> float:
    """Ask one run after the other; return the 95th percentile of how long they took."""
    took_ms: list[float] = []
    with bench.subject.client() as client:
        for _ in range(count):
            time.sleep(PAUSE_S)
            before = answered()
            timed = run_once(client, HELLO)
            asked.overtaken.append(answered() - before)
            asked.timings.append(timed.server_timing)
            took_ms.append(timed.took_ms)
    asked.took_ms += took_ms
    return percentile(took_ms, 0.95)


CASES = (Case(name="fair", measure=_measure, in_short=False, needs_own=True),)
