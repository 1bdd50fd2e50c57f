"""A thousand requests that wait for their turn: what that costs the API."""

import os
import time
from dataclasses import dataclass

from tests.bench.cases import Bench, Case, Rows, Stopwatch
from tests.bench.crowd import crowd
from tests.bench.processes import processor_s, resident_mb, threads
from tests.bench.programs import HELLO, run_once
from tests.bench.reports import BenchError
from tests.bench.rest import wait_for
from tests.bench.rows import Row, Unit, at_most
from tests.bench.samples import percentile, shown

LOOKS = 20
LOOK_INTERVAL_S = 0.25
BUSY = 2 * (os.cpu_count() or 1)
"""What keeps an executor with the default of `EXECUTOR_CONCURRENCY` from taking any more."""

SETTLING_TIMEOUT_S = 40.0
IDLE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the API was like at one moment."""

    memory_mb: float
    threads: int

    @classmethod
    def at(cls, pid: int) -> "_Look":
        return cls(memory_mb=resident_mb(pid), threads=threads(pid))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """How the API was while a crowd waited."""

    first: _Look
    last: _Look
    health_ms: tuple[float, ...]


def _measure(bench: Bench) -> Rows:
    count = bench.times(1000, 200)
    pid = bench.subject.pid("api")
    bench.subject.rest.wait()
    before = _Look.at(pid)
    seen = _wait(bench, pid, count)
    since_they_left = Stopwatch()
    yield Row(
        name=f"/health while {count} requests wait",
        unit=Unit.MS,
        ours=seen.health_ms,
        targets=(at_most(50),),
        remarks={"p95": f"{shown(percentile(seen.health_ms, 0.95))} ms"},
    )
    yield Row(
        name=f"API threads more while {count} requests wait",
        unit=Unit.COUNT,
        ours=(max(seen.first.threads, seen.last.threads) - before.threads,),
        targets=(at_most(8),),
        remarks={"without them": str(before.threads)},
    )
    request_kb = (seen.first.memory_mb - before.memory_mb) * 1000 / count
    yield Row(
        name=f"API memory, growth while {count} requests wait",
        unit=Unit.SIZE,
        ours=(seen.last.memory_mb - seen.first.memory_mb,),
        targets=(at_most(2),),
        remarks={
            "without them": f"{shown(before.memory_mb)} MB",
            "with them": f"{shown(seen.first.memory_mb)} MB",
            "a request": f"{shown(request_kb)} kB",
        },
    )
    with bench.subject.client() as client:
        run_once(client, HELLO)
    yield Row(
        name=f"next answer once {count} waiting clients have left",
        unit=Unit.MS,
        ours=(since_they_left.ms,),
    )


def _wait(bench: Bench, pid: int, count: int) -> _Wait:
    """Have a crowd wait, and look at the API meanwhile."""
    subject = bench.subject
    bench.say(f"{count} requests come")
    with (
        subject.client() as client,
        crowd(subject.address, subject.key, count=count, busy=BUSY) as answered,
    ):
        wait_for(lambda: _is_idle(pid), "all have come", timeout_s=SETTLING_TIMEOUT_S)
        first = _Look.at(pid)
        health_ms: list[float] = []
        for number in range(LOOKS):
            bench.say(f"{count} requests wait: look {number + 1} of {LOOKS}")
            asked = client.ask("GET", "/health")
            asked.content()
            health_ms.append(asked.took_ms)
            time.sleep(LOOK_INTERVAL_S)
        if early := answered():
            raise BenchError(f"{early} of {count} requests were answered instead of waiting")
        return _Wait(first=first, last=_Look.at(pid), health_ms=tuple(health_ms))


def _is_idle(pid: int) -> bool:
    """Whether a process used little of one processor in the last half second."""
    before, watch = processor_s(pid), Stopwatch()
    time.sleep(0.5)
    return processor_s(pid) - before < IDLE_SHARE * watch.ms / 1000


CASES = (Case(name="waiting", measure=_measure, in_short=False, needs_own=True),)
