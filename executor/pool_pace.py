"""How much the pool does at once."""

from typing import NamedTuple

MOST_CREATIONS = 8
MOST_PUT_OFF = 16


class Pace(NamedTuple):
    """The most at any time."""

    creations: int
    removals: int
    put_off: int
    """Used sandboxes whose removal is put off while anybody waits for a new one."""
    backlog: int
    """Used sandboxes still there, with which no new one is made: removing must keep pace."""
    preloads: int
    """Each takes half a processor with the usual `CPU_LIMIT`."""


def pace_of(processors: int) -> Pace:
    """Return what suits a machine.

    Measured with dockerd on two processors, at rest: eight clients have 8.9 to 9.5 bash runs a
    second, and a burst of 20 with four sandboxes waiting takes 1.8 to 2.1 s, with one to four
    creations and one or two removals at once. That is dockerd's own rate (9.4 a second of
    sandboxes in which nothing runs). Two creations at once take 126 ms each, eight 420 ms, and
    beside other work a burst then takes half as long again.
    """
    creations = min(MOST_CREATIONS, max(2, processors))
    return Pace(
        creations=creations,
        removals=creations,
        put_off=MOST_PUT_OFF,
        backlog=MOST_PUT_OFF + 4 * creations,
        preloads=2,
    )
