"""What a case is, and what it is given."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.bench.programs import Program, Progress, Timed, run_once
from tests.bench.rows import Row
from tests.bench.subject import Subject

POOL_AS_SHIPPED = {"SANDBOX_POOL_SIZE": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every case needs."""

    subject: Subject
    image: str
    engine: str
    """`docker` or `oci`."""
    is_short: bool
    settings: Mapping[str, str]
    """Of the subject, for a second service like it."""
    say: Progress

    def times(self, full: int, short: int) -> int:
        """Return how often to measure."""
        return short if self.is_short else full

    def run_at_rest(self, program: Program, *, preloaded: int = 1) -> Timed:
        """Time one run of a service that was at rest before."""
        self.subject.rest.wait(preloaded=preloaded)
        with self.subject.client() as client:
            return run_once(client, program)


Rows = Iterator[Row]
"""Rows come one by one, so that those before a failure are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One subject of the bench."""

    name: str
    measure: Callable[[Bench], Rows]
    settings: Mapping[str, str] = field(default_factory=lambda: POOL_AS_SHIPPED)
    """Of the service that it needs. Cases with the same settings share one."""
    in_short: bool = True
    needs_own: bool = False
    """Whether it looks inside the service, which must then be ours."""


def interleaved(
    count: int, ours: Callable[[], float], baseline: Callable[[], float], say: Progress
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure both in turns (ABAB…), so that whatever slows the machine slows both.

    Each must see to it that the service is at rest before.
    """
    series: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        say(f"{number + 1} of {count}")
        series[0].append(ours())
        series[1].append(baseline())
    return tuple(series[0]), tuple(series[1])


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._began_at = time.perf_counter()

    @property
    def ms(self) -> float:
        """How many there are by now."""
        return (time.perf_counter() - self._began_at) * 1000
