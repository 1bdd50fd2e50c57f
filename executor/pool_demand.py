"""How many sandboxes should wait, and how many of them preloaded. Arithmetic alone."""

import math
from collections import deque
from enum import Enum, auto
from typing import NamedTuple

from sandbox.supervisor.languages import LANGUAGES

WINDOW_S = 20.0
"""Arrivals are counted over this time."""

HELD_S = 180.0
"""How long the pool stays as large as it once had to be: somebody who reads an answer and
asks again takes a minute or two."""

MOST_ARRIVALS = 10_000
"""How many are remembered of each group: at any rate beyond, the pool is at its largest."""

USUAL_CREATION_S = 0.3
USUAL_PRELOADING_S = 2.5
"""Taken for true until there are figures of this machine: a second of processor time and more
at half a processor."""

NEWEST_WEIGHT = 0.2
"""What the last figure counts for in the average."""


class Group(Enum):
    """What a program would like to find."""

    PYTHON = auto()
    """A preloaded sandbox."""
    OTHER = auto()
    """Any: what is preloaded is of no use to it."""


def group_of(language: str) -> Group:
    """Return whom a program of `language`, a canonical name, competes with."""
    known = LANGUAGES.get(language)
    return Group.PYTHON if known is not None and known.command is None else Group.OTHER


class Wanted(NamedTuple):
    """How the pool should be."""

    waiting: int
    """To be made, if there are fewer."""
    preloaded: int
    """Of those."""
    kept: int
    """What is beyond this may go. Never less than `waiting`."""


class Average:
    """A figure that follows what is measured."""

    def __init__(self, first: float) -> None:
        self._value = first

    @property
    def value(self) -> float:
        """What to expect."""
        return self._value

    def add(self, measured: float) -> None:
        """Take one more into account."""
        self._value += NEWEST_WEIGHT * (measured - self._value)


def needed(arrivals: int, making_s: float) -> int:
    """Return how many must wait so that hardly anyone finds none.

    While one sandbox is being made, `arrivals / WINDOW_S * making_s` programs come on average.
    Independent arrivals scatter by the square root of that; two such deviations more are
    enough for 19 programs of 20.
    """
    meanwhile = arrivals / WINDOW_S * making_s
    return math.ceil(meanwhile + 2 * math.sqrt(meanwhile))


class Demand:
    """Remembers who came lately, and what it takes to make a sandbox.

    Times are seconds of any clock that does not go back; each call is told the present.
    """

    def __init__(self, *, least: int, most: int) -> None:
        """Begin with nobody.

        Args:
            least: How many wait though nobody comes. With 0 none ever waits.
            most: How many may wait. Not less than `least`.
        """
        self._least = least
        self._most = most
        self._arrivals = {group: deque[float](maxlen=MOST_ARRIVALS) for group in Group}
        self._peaks: deque[tuple[float, int]] = deque()
        self.creation_s = Average(USUAL_CREATION_S)
        self.preloading_s = Average(USUAL_PRELOADING_S)

    def arrived(self, group: Group, now: float) -> None:
        """Note that a program has come."""
        self._arrivals[group].append(now)

    def wanted(self, now: float) -> Wanted:
        """Return how the pool should be now."""
        if not self._least:
            return Wanted(0, 0, 0)
        creation_s = self.creation_s.value
        python = needed(self._lately(Group.PYTHON, now), creation_s + self.preloading_s.value)
        other = needed(self._lately(Group.OTHER, now), creation_s)
        waiting = min(self._most, max(self._least, python + other))
        # Those that other languages take are not preloaded for nothing. One always is: the
        # next program is a Python program, more often than not.
        preloaded = min(waiting, max(waiting - other, python, 1))
        return Wanted(waiting, preloaded, self._held(waiting, now))

    def _lately(self, group: Group, now: float) -> int:
        arrivals = self._arrivals[group]
        while arrivals and arrivals[0] <= now - WINDOW_S:
            arrivals.popleft()
        return len(arrivals)

    def _held(self, waiting: int, now: float) -> int:
        """Return the most that was wanted at any time in the last `HELD_S`."""
        peaks = self._peaks
        while peaks and peaks[-1][1] <= waiting:
            peaks.pop()
        peaks.append((now, waiting))
        while peaks[0][0] <= now - HELD_S:
            peaks.popleft()
        return peaks[0][1]
