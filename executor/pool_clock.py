"""Time as the pool sees it, so that its tests need none."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from executor.concurrency import end

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
"""How long to wait before trying again what has just failed, and failed before."""

RESPITE_S = 0.05
"""How long making, preloading and removing is put off when a program has got a sandbox or has
ended in one, if another sandbox is waiting still. On two processors, a small program beside
which a sandbox is made takes half as long again; most are answered by then."""


class Clock(Protocol):
    """Says what time it is, and lets it pass."""

    def now(self) -> float:
        """Return seconds since some moment; never less than before."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return that much later."""
        ...


class LoopClock(Clock):
    """The event loop's own."""

    @override
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Respite:
    """A time in which something is not done yet. One at a time."""

    def __init__(self, clock: Clock, *, over: Callable[[], object]) -> None:
        """Begin without one.

        Args:
            clock: Where the time comes from.
            over: Called at the end of each.
        """
        self._clock = clock
        self._over = over
        self._waiting: asyncio.Task[None] | None = None

    @property
    def lasts(self) -> bool:
        """Whether it is not over yet."""
        return self._waiting is not None

    def begin(self, seconds: float) -> None:
        """Begin one. One that lasts is not made longer: there may always be a next reason."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait(seconds))

    def cut_short(self) -> None:
        """End it now, without a word."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def stop(self) -> None:
        """End it for good."""
        if self._waiting is not None:
            await end([self._waiting])

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._waiting = None
        self._over()


class Pause:
    """What follows a failure: twice as long each time, until something succeeds."""

    def __init__(self, clock: Clock, *, over: Callable[[], object]) -> None:
        """Begin without one.

        Args:
            clock: Where the time comes from.
            over: Called at the end of each pause.
        """
        self._respite = Respite(clock, over=over)
        self._next_s = FIRST_PAUSE_S

    @property
    def lasts(self) -> bool:
        """Whether it is too early to try again."""
        return self._respite.lasts

    def begin(self) -> None:
        """Something failed. What fails during a pause does not make it longer."""
        if not self.lasts:
            self._respite.begin(self._next_s)
            self._next_s = min(LONGEST_PAUSE_S, self._next_s * 2)

    def end(self) -> None:
        """Something succeeded."""
        self._next_s = FIRST_PAUSE_S
        self._respite.cut_short()

    async def stop(self) -> None:
        """End it for good."""
        await self._respite.stop()
