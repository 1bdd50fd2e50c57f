"""A clock that stands still until a test moves it."""

import asyncio

from typing_extensions import override

from executor.pool_clock import Clock
from executor.sandbox import Sandbox
from tests.executor.local_engine import LocalEngine

STEPS = 50
"""Rounds of the event loop in which everything comes to rest that waits for no time."""


async def settle() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


class FakeClock(Clock):
    """Whoever sleeps is woken in order, each at its own time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @override
    def now(self) -> float:
        return self._now

    @override
    async def sleep(self, seconds: float) -> None:
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, awake))
        await awake

    async def advance(self, seconds: float) -> None:
        until = self._now + seconds
        await settle()
        while (due := self._next_due()) <= until:
            self._now = max(self._now, due)
            self._wake()
            await settle()
        self._now = until

    def _next_due(self) -> float:
        return min((due for due, awake in self._sleepers if not awake.done()), default=1e9)

    def _wake(self) -> None:
        for due, awake in self._sleepers:
            if due <= self._now and not awake.done():
                awake.set_result(None)
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]


class TimedEngine(LocalEngine):
    """Making a sandbox takes a second of the clock's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    @override
    async def create(self) -> Sandbox:
        await self._clock.sleep(1)
        return await super().create()
