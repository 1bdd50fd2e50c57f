"""Many at once: more programs than sandboxes wait."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.fresh_run import NAME, fresh_run
from tests.bench.programs import HELLO, run_once
from tests.bench.rows import Row, Unit, at_least, at_most_times

PROGRAMS = 20
POOL = 4


def _measure(bench: Bench) -> Rows:
    answered: list[float] = []

    def ours() -> float:
        bench.subject.rest.wait(preloaded=POOL)
        took_ms = _burst(bench)
        answered.append(len(took_ms))
        return max(took_ms)

    def baseline() -> float:
        bench.subject.rest.wait(preloaded=POOL)
        with ThreadPoolExecutor(PROGRAMS) as threads:
            return max(threads.map(fresh_run, [bench.image] * PROGRAMS, [HELLO] * PROGRAMS))

    slowest, beside = interleaved(bench.times(3, 1), ours, baseline, bench.say)
    yield Row(
        name=f"burst of {PROGRAMS}, {POOL} wait: the slowest",
        unit=Unit.MS,
        ours=slowest,
        baseline=beside,
        baseline_name=f"{PROGRAMS} at once: {NAME}",
        targets=(at_most_times(1),),
    )
    yield Row(
        name=f"burst of {PROGRAMS}: right answers",
        unit=Unit.COUNT,
        ours=tuple(answered),
        targets=(at_least(PROGRAMS),),
    )


def _burst(bench: Bench) -> list[float]:
    """Send all at the same moment; return how long each took.

    Raises:
        WrongAnswerError: One of the answers is wrong.
    """
    barrier = Barrier(PROGRAMS)
    with ExitStack() as stack, ThreadPoolExecutor(PROGRAMS) as threads:
        clients = [stack.enter_context(bench.subject.client()) for _ in range(PROGRAMS)]

        def ask(number: int) -> float:
            barrier.wait()
            return run_once(clients[number], HELLO).took_ms

        return list(threads.map(ask, range(PROGRAMS)))


CASES = (
    Case(
        name="burst",
        measure=_measure,
        settings={"SANDBOX_POOL_SIZE": str(POOL)},
        in_short=False,
        needs_own=True,
    ),
)
