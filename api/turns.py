"""Has runs wait for their turn in this process, so that the broker's queue is never long.

The broker hands out what came first, so a tenant with 200 runs in it would hold up everybody.
It is given no more than executors can take, and a few more; the rest waits here, a future for
each run, and `api.turns_order` says who is next.

Whoever has nothing out need not even wait for the end of one: executors keep a slot, and a
sandbox, for such runs (`Window.spare`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from api.dispatch import QueueFullError, RunTimedOutError, TenantQueueFullError
from api.seldom import Seldom
from api.turns_order import Place, TurnOrder
from executor.signs_of_life import ExecutorStatus

logger = logging.getLogger(__name__)

UNKNOWN_WINDOW = 4
"""Runs that are sent while no executor is known: at the start, and while they restart."""


class QueueLimits(NamedTuple):
    """How many may wait for their turn in one API process, and how long."""

    runs: int
    runs_per_tenant: int
    wait_s: float


class Window(NamedTuple):
    """How many runs may be sent and not ended at once."""

    slots: int
    """So many run at once."""
    ready: int = 0
    """More, that lie at the broker for whichever ends."""
    spare: int = 0
    """More, each of a tenant who has nothing else out: slots are kept for them."""


def window_for(executors: Iterable[ExecutorStatus]) -> Window:
    """Return how many may be out.

    With eight slots, runs of 30 ms and two busy processors, all took 23 % longer with none that
    lie ready than if every run was sent at once, and 6 % longer with half as many; with runs of
    150 ms there was no telling.
    """
    accepting = [executor for executor in executors if executor.accepting]
    capacity = sum(executor.capacity for executor in accepting)
    if not capacity:
        return Window(UNKNOWN_WINDOW)
    spare = sum(executor.spare_capacity for executor in accepting)
    return Window(capacity, ready=max(1, capacity // 2), spare=spare)


def compiled_window_for(executors: Iterable[ExecutorStatus]) -> Window:
    """Return how many of compiled languages may be out.

    Three quarters of what executors run, and none that lies ready: a flood of them leaves
    others a place, and those wait for no more than the end of one.
    """
    capacity = sum(executor.capacity for executor in executors if executor.accepting)
    return Window(max(1, capacity - max(1, capacity // 4)) if capacity else UNKNOWN_WINDOW)


@dataclass(eq=False, slots=True)
class _Waiter(Place):
    called: asyncio.Future[None] = field(kw_only=True)
    """Resolved when its turn comes, or is refused."""
    is_spare: bool = False
    """Whether it is out in a slot that is kept for such as it."""


class Turns:
    """Lets so many runs out at once, and keeps the others waiting."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._order: TurnOrder[_Waiter] = TurnOrder()
        self._window = Window(UNKNOWN_WINDOW)
        self._spare_out = 0
        self._seldom = Seldom()
        self._waiting_since: dict[_Waiter, float] = {}
        """Whoever came first is first."""

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._order.waiting

    @property
    def oldest_wait_s(self) -> float:
        """How long whoever came first of them has waited; 0 where nobody waits."""
        since = next(iter(self._waiting_since.values()), None)
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    @property
    def out(self) -> int:
        """How many have it."""
        return self._order.out

    def widen(self, window: Window) -> None:
        """Let as many out at once from now on. Those that are out beyond it may end."""
        self._window = window
        self._call()

    @asynccontextmanager
    async def turn(self, tenant: str, user: str) -> AsyncGenerator[bool, None]:
        """Wait for a turn, and have it until the block ends, however it ends.

        Returns:
            Whether the run belongs into a slot that executors keep (`Window.spare`).

        Raises:
            TenantQueueFullError, QueueFullError: Too many wait already, or have come since
                from others who have fewer. Safe to retry.
            RunTimedOutError: There was none in the time that a run may wait.
        """
        called = asyncio.get_running_loop().create_future()
        waiter = _Waiter(tenant, user, called=called)
        try:
            if self._admit(waiter):
                self._order.begin(waiter)  # Nobody waits, else they would be out.
            else:
                await self._wait(waiter)
            yield waiter.is_spare
        finally:
            self._order.leave(waiter)
            self._spare_out -= waiter.is_spare
            self._call()

    def _admit(self, waiter: _Waiter) -> bool:
        """Take room for it, if there is any; return whether there was."""
        slots, ready, spare = self._window
        others = self._order.out - self._spare_out
        if others < slots:
            return True
        if self._spare_out < spare and self._order.is_idle(waiter):
            waiter.is_spare = True
            self._spare_out += 1
            return True
        return others < slots + ready

    async def _wait(self, waiter: _Waiter) -> None:
        self._order.wait(waiter)
        self._refuse_excess(waiter)
        self._waiting_since[waiter] = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await waiter.called
        except TimeoutError:
            raise RunTimedOutError(f"no turn came in {self._limits.wait_s:g} s") from None
        finally:
            del self._waiting_since[waiter]

    def _refuse_excess(self, newest: _Waiter) -> None:
        """Send one away if too many wait now that `newest` has come."""
        tenant, (most, most_of_tenant, _) = newest.tenant, self._limits
        if self._order.waiting_of(tenant) > most_of_tenant:
            refused = self._order.too_many(newest, of_its_tenant=True)
            fault = TenantQueueFullError(refused.tenant, limit=most_of_tenant)
        elif self._order.waiting > most:
            refused = self._order.too_many(newest, of_its_tenant=False)
            fault = QueueFullError(f"{most} runs wait")
        else:
            return
        if self._seldom.is_due(refused.tenant):
            logger.warning("runs of tenant %s are refused: %s", refused.tenant, fault)
        self._order.leave(refused)
        if not refused.called.done():
            refused.called.set_exception(fault)

    def _call(self) -> None:
        """Give turns to those that are next, while there are any to give."""
        while self._order.waiting and self._admit(waiter := self._order.first()):
            self._order.call(waiter)
            if not waiter.called.done():  # Else its client leaves just now, and passes it on.
                waiter.called.set_result(None)
