"""Sustained load: several clients, each asking again as soon as it is answered."""

import threading
import time
from dataclasses import dataclass, field

from tests.bench.cases import Bench, Case, Rows
from tests.bench.engine_rates import engine, rate_of_empty_containers
from tests.bench.programs import BASH, HELLO, Program, run_once
from tests.bench.reports import BenchError
from tests.bench.rows import Row, Target, Unit, at_least, at_least_times
from tests.bench.samples import percentile, shown

CLIENTS = 8
WARM_UP_S = 3.0
"""At first the pool lives on what it had; that is no rate that lasts."""

PARALLEL = (2, 3, 4)
"""How many at once make empty containers; the best of them is the machine's rate."""

OCI_RATES = {HELLO.name: 25.0, BASH.name: 35.0}
"""Runs a second that the `oci` engine is to reach."""


@dataclass(slots=True)
class Load:
    """What was answered, and when."""

    ends: list[float] = field(default_factory=list[float])
    took_ms: list[float] = field(default_factory=list[float])

    def rate(self, began_at: float, ended_at: float) -> float:
        """Return the answers a second between two moments."""
        within = sum(began_at <= end < ended_at for end in self.ends)
        return within / (ended_at - began_at)


def _measure(bench: Bench) -> Rows:
    seconds = bench.times(12, 4)
    widths = (3,) if bench.is_short else PARALLEL
    with engine():
        hello = _load(bench, HELLO, seconds)
        empty = {width: [_empty(bench, width)] for width in widths}
        best = max(empty, key=lambda width: empty[width][0])
        bash = _load(bench, BASH, seconds)
        empty[best].append(_empty(bench, best))
    tried = ", ".join(f"{width} at once {shown(rates[0])}" for width, rates in empty.items())
    for program, (rate, slow_ms) in ((HELLO, hello), (BASH, bash)):
        yield Row(
            name=f"{program.name}, {CLIENTS} clients",
            unit=Unit.RATE,
            ours=(rate,),
            baseline=tuple(empty[best]),
            baseline_name="empty containers through Docker",
            targets=(_target(bench, program),),
            remarks={"p95 of an answer": f"{shown(slow_ms)} ms", "empty containers": tried},
        )


def _empty(bench: Bench, width: int) -> float:
    bench.say(f"empty containers, {width} at once")
    bench.subject.rest.wait()
    seconds = bench.times(6, 3)
    return rate_of_empty_containers(bench.image, parallel=width, seconds=seconds)


def _target(bench: Bench, program: Program) -> Target:
    return at_least(OCI_RATES[program.name]) if bench.engine == "oci" else at_least_times(0.9)


def _load(bench: Bench, program: Program, seconds: float) -> tuple[float, float]:
    """Return the answers a second, and the 95th percentile of how long they took.

    Raises:
        WrongAnswerError: One answer was wrong.
        BenchError: One was not given.
    """
    bench.say(f"{CLIENTS} clients, {program.name}")
    bench.subject.rest.wait()
    load = Load()
    stop = threading.Event()
    faults: list[BenchError] = []

    def keep_asking() -> None:
        try:
            with bench.subject.client() as client:
                while not stop.is_set():
                    timed = run_once(client, program)
                    load.took_ms.append(timed.took_ms)
                    load.ends.append(time.monotonic())
        except BenchError as fault:
            faults.append(fault)
            stop.set()

    clients = [threading.Thread(target=keep_asking) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        stop.wait(WARM_UP_S)
        began_at = time.monotonic()
        stop.wait(seconds)
        ended_at = time.monotonic()
    finally:
        stop.set()
        for client in clients:
            client.join()
    if faults:
        raise faults[0]
    return load.rate(began_at, ended_at), percentile(load.took_ms, 0.95)


CASES = (Case(name="load", measure=_measure, in_short=False, needs_own=True),)
