"""Runs that wait for their turns, for tests of who has one when."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from api.turns import QueueLimits, Turns, Window

AMPLE = QueueLimits(runs=1000, runs_per_tenant=1000, wait_s=60)


class Run:
    """A run that has its turn until it is told to end."""

    def __init__(self, turns: Turns, who: str) -> None:
        self.who = who
        self.began = asyncio.Event()
        self.over = asyncio.Event()
        self.is_spare = False
        self._turns = turns
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        async with self._turns.turn(*self.who.split("/")) as self.is_spare:
            self.began.set()
            await self.over.wait()

    @property
    def is_out(self) -> bool:
        return self.began.is_set() and not self.task.done()


class Crowd:
    """Several runs, and the order in which they began."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.runs: list[Run] = []

    async def come(self, *names: str) -> list[Run]:
        """Have runs come, named `tenant/user`, one after the other."""
        runs = [Run(self.turns, name) for name in names]
        self.runs += runs
        await settled()
        return runs

    async def served(self) -> list[str]:
        """End one run after the other; say in which order they began."""
        order: list[str] = []
        while out := [run for run in self.runs if run.is_out]:
            order += [run.who for run in out if run.who not in order]
            out[0].over.set()
            await settled()
        return order


@asynccontextmanager
async def crowd(
    window: int, limits: QueueLimits = AMPLE, *, ready: int = 0, spare: int = 0
) -> AsyncGenerator[Crowd, None]:
    """Begin with so many turns; afterwards see that all have been given back."""
    turns = Turns(limits)
    turns.widen(Window(window, ready, spare))
    crowd = Crowd(turns)
    yield crowd
    for run in crowd.runs:
        run.task.cancel()
    await asyncio.gather(*(run.task for run in crowd.runs), return_exceptions=True)
    assert (turns.out, turns.waiting) == (0, 0)


async def settled() -> None:
    """Let every task go as far as it can: a turn passes through four or five of the loop's."""
    for _ in range(10):
        await asyncio.sleep(0)
