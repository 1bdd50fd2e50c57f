"""The last sandbox that waits is kept for spare runs, in a flood.

A tenant with many runs takes every sandbox as soon as it is made. Another's only run, which has
a slot at once (`api.turns`), would wait for one behind those that have waited longer: measured
on two processors, 370 of the 700 ms that it took.
"""

from executor.pool_clock import Clock

KEPT_S = 20.0
"""How long after a program found no sandbox one may be kept."""


class Reserve:
    """How many of those that wait are kept.

    None where nobody was short of one lately, nor where a slot is free: then the API sends no
    spare runs, and who has the machine to themselves shall find the last one too.
    """

    def __init__(self, clock: Clock, *, most: int, slots: int) -> None:
        """Keep none yet.

        Args:
            clock: Where the time comes from.
            most: Never more are kept.
            slots: How many programs run at once, apart from spare ones.
        """
        self._clock = clock
        self._most = most
        self._full = max(1, slots - 1)
        self._until = float("-inf")

    def lacking(self) -> None:
        """Take note that a program has found no sandbox."""
        self._until = self._clock.now() + KEPT_S

    def kept(self, *, others: int) -> int:
        """Return how many are for spare runs alone.

        Args:
            others: Programs that have a sandbox or wait for one, but for the one that asks.
        """
        is_flood = others >= self._full and self._clock.now() < self._until
        return self._most if is_flood else 0
