"""Two hosts beside one, with the same limits each: what a second host adds.

Both are engines and executors of their own on this one machine, which therefore must not be
what limits them: the programs wait rather than compute.
"""

import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.programs import Progress
from tests.bench.reports import BenchError
from tests.bench.rows import Row, Unit, at_least_times
from tests.fleet.fleet import SLOTS, Fleet, running_fleet

CLIENTS = 4 * SLOTS
"""Twice what two hosts run at once: both always have a next run."""
RUNS = 6 * CLIENTS
WAITS_S = 1
PROGRAM = {"lang": "bash", "code": f"sleep {WAITS_S}; echo done"}


def _measure(bench: Bench) -> Rows:
    bench.say("two hosts are started")
    with (
        tempfile.TemporaryDirectory(prefix="code-command-bench-hosts-") as folder,
        running_fleet(Path(folder)) as fleet,
    ):
        samples, beside = _in_turns(fleet, bench.times(3, 1), bench.say)
    yield Row(
        name=f"runs that wait {WAITS_S} s, two hosts",
        unit=Unit.RATE,
        ours=samples,
        baseline=beside,
        baseline_name="one host, the same limits",
        targets=(at_least_times(1.7),),
        remarks={
            "slots a host": str(SLOTS),
            "clients": str(CLIENTS),
            "at best": f"{2 * SLOTS / WAITS_S:.0f} runs/s",
        },
    )


def _in_turns(
    fleet: Fleet, count: int, say: Progress
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    def both() -> float:
        fleet.rest()
        return _rate(fleet)

    def one() -> float:
        fleet.rest()
        leaving = fleet.hosts[1]
        leaving.send(signal.SIGTERM)
        if leaving.ended() != 0:
            raise BenchError(f"{leaving.name} did not leave in good order")
        fleet.await_executors(1)
        return _rate(fleet)

    return interleaved(count, both, one, say)


def _rate(fleet: Fleet) -> float:
    """Return how many runs a second are answered, all of them rightly."""
    began_at = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(partial(_answer, fleet), range(RUNS)))
    took_s = time.perf_counter() - began_at
    wrong = [answer for answer in answers if answer != "done\n"]
    if wrong:
        raise BenchError(f"{len(wrong)} of {RUNS} runs went wrong: {wrong[0][:200]}")
    return RUNS / took_s


def _answer(fleet: Fleet, number: int) -> str:
    replica = fleet.replicas[number % len(fleet.replicas)]
    answer = replica.http.post("/exec", json=PROGRAM)
    return str(answer.json().get("stdout", answer.text))


CASES = (Case(name="hosts", measure=_measure, in_short=False, needs_own=True),)
