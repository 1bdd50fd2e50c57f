"""Sandboxes that wait: created, started and preloaded before anybody asks.

A sandbox leaves the pool once and never comes back: it is used for one run and destroyed.
"""

import asyncio
import os
from types import TracebackType
from typing import Self

from executor.concurrency import end
from executor.pool_claims import Claims
from executor.pool_clock import RESPITE_S, Clock, LoopClock, Respite
from executor.pool_demand import Demand, Wanted, group_of
from executor.pool_making import Making
from executor.pool_pace import pace_of
from executor.pool_preloading import Preloading
from executor.pool_removal import Removal
from executor.pool_reserve import Reserve
from executor.pool_shelf import Shelf, State, Waiting
from executor.pool_tally import Tally
from executor.sandbox import Sandbox, SandboxEngine, SandboxUnavailableError

TENDING_INTERVAL_S = 5.0
"""How often the pool looks after itself though nobody comes and nothing happens."""


class WarmPool:
    """Keeps sandboxes waiting, more of them the more programs come.

    An asynchronous context manager: on leaving, every sandbox that waits is destroyed, and
    the destruction of used ones is awaited.

    Whoever finds no sandbox waits for the next one that is made, first come, first served. So
    while anybody waits no sandbox does, but for one that is kept (`executor.pool_reserve`).
    """

    def __init__(  # noqa: PLR0913 - all are named, and most have defaults
        self,
        engine: SandboxEngine,
        *,
        size: int,
        most: int = 0,
        slots: int = 1,
        processors: int = os.cpu_count() or 1,
        clock: Clock | None = None,
    ) -> None:
        """Begin empty.

        Args:
            engine: Makes the sandboxes.
            size: How many wait though nobody comes. With 0 none ever waits.
            most: How many may wait where many come; `size`, if that is more.
            slots: How many programs run at once, apart from spare ones.
            processors: No sandbox preloads while as many programs run.
            clock: Where the time comes from.
        """
        self._processors = processors
        self._pace = pace_of(processors)
        self._clock = clock or LoopClock()
        self._demand = Demand(least=size, most=max(size, most))
        self._shelf = Shelf()
        self._reserve = Reserve(self._clock, most=min(1, size), slots=slots)
        self._claims = Claims(undelivered=self._take_back)
        self._claimed: set[Sandbox] = set()
        self._abandoned: set[asyncio.Task[Sandbox]] = set()
        self._making = Making(
            engine,
            self._clock,
            made=self._take_in,
            failed=self._disappoint,
            pause_over=self._tend,
        )
        self._preloading = Preloading(
            self._clock, took=self._demand.preloading_s.add, changed=self.drop_dead
        )
        self._removal = Removal(at_once=self._pace.removals, changed=self._tend)
        self._respite = Respite(self._clock, over=self._tend)
        self._tending: asyncio.Task[None] | None = None

    @property
    def ready(self) -> int:
        """How many sandboxes wait."""
        return len(self._shelf)

    @property
    def preloaded(self) -> int:
        """How many of them have preloaded."""
        return self._shelf.count(State.PRELOADED)

    @property
    def making(self) -> int:
        """How many are being made."""
        return self._making.count

    @property
    def busy(self) -> int:
        """How many that were claimed need a processor."""
        return len(self._claimed)

    @property
    def removing(self) -> int:
        """How many used ones are still there."""
        return self._removal.backlog

    @property
    def tally(self) -> Tally:
        """What it has done since its beginning."""
        made, failed = self._making.made_count, self._making.failed_count
        return Tally(made=made, failed=failed, removed=self._removal.removed_count)

    @property
    def trouble(self) -> str:
        """Why the last sandbox could not be made; empty while all is well."""
        return self._making.trouble

    async def __aenter__(self) -> Self:
        """Begin to fill the pool, in the background."""
        self._tending = asyncio.create_task(self._keep_tending())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Destroy all that is left."""
        tending, self._tending = self._tending, None
        if tending is not None:
            await end([tending])
        await self._respite.stop()
        await self._making.stop()
        await self._preloading.stop()
        while self._claims.fail(SandboxUnavailableError("the executor is ending")):
            pass
        if self._abandoned:
            await asyncio.wait(self._abandoned)
        self._discard(self._shelf.remove_oldest(but=0))
        await self._removal.finished()

    async def claim(self, language: str, *, is_spare: bool = False) -> Sandbox:
        """Return a sandbox that no one else has or had, for a program of `language`.

        For Python a preloaded one, else a bare one, else one that preloads just now; for other
        languages a bare one first; else the next that is made, of which spare runs are given
        the first. Whoever claims it must `retire` it.

        Raises:
            SandboxUnavailableError: None waits, and none can be made.
        """
        if self._tending is None:
            raise SandboxUnavailableError("the pool is closed")
        group = group_of(language)
        self._demand.arrived(group, self._clock.now())
        kept = 0 if is_spare else self._kept
        while (waiting := self._shelf.take(group, but=kept)) is not None:
            self._claimed.add(waiting.sandbox)
            self._respite.begin(RESPITE_S)
            self._tend()
            try:
                await self._preloading.interrupt(waiting)
            except BaseException:
                self.retire(waiting.sandbox)
                raise
            if waiting.usable:
                return waiting.sandbox
            self.retire(waiting.sandbox)
        self._reserve.lacking()
        claim = self._claims.join(is_first=is_spare)
        self._tend()
        try:
            return await self._claims.wait(claim)
        finally:
            self._tend()

    def retire(self, sandbox: Sandbox) -> None:
        """Have a claimed sandbox destroyed, off the caller's path."""
        self._claimed.discard(sandbox)
        if self._tending is not None:
            self._respite.begin(RESPITE_S)
        self._hold_removal()
        self._removal.add(sandbox)
        self._tend()

    def set_aside(self, sandbox: Sandbox) -> None:
        """Note that a claimed sandbox needs no processor, until it is taken up or retired."""
        self._claimed.discard(sandbox)
        self._tend()

    def take_up(self, sandbox: Sandbox) -> None:
        """Note that it needs one again."""
        self._claimed.add(sandbox)

    def abandon(self, claim: "asyncio.Task[Sandbox]") -> None:
        """Give up a claim; what it has brought, or may bring yet, is destroyed."""
        claim.cancel()
        self._abandoned.add(claim)
        claim.add_done_callback(self._retire_abandoned)

    def _retire_abandoned(self, claim: "asyncio.Task[Sandbox]") -> None:
        self._abandoned.discard(claim)
        if not claim.cancelled() and claim.exception() is None:
            self.retire(claim.result())

    def renew(self) -> None:
        """Replace those that wait by others. One that is being made just now stays."""
        self._discard(self._shelf.remove_oldest(but=0))
        self._tend()

    def drop_dead(self) -> int:
        """Retire waiting sandboxes that have ended by themselves; return how many."""
        dead = self._shelf.remove_dead()
        self._discard(dead)
        self._tend()
        return len(dead)

    async def _keep_tending(self) -> None:
        while True:
            self.drop_dead()
            await self._clock.sleep(TENDING_INTERVAL_S)

    def _tend(self) -> None:
        """Begin whatever is to be done now. Called whenever something has changed."""
        if self._tending is None:
            return
        wanted = self._demand.wanted(self._clock.now())
        self._discard(self._shelf.remove_oldest(but=wanted.kept))
        self._hold_removal()
        for _ in range(self._creations_due(wanted)):
            self._making.begin()
        while self._may_preload(wanted):
            bare = self._shelf.oldest(State.BARE)
            if bare is None:
                break
            self._preloading.begin(bare)

    def _hold_removal(self) -> None:
        is_busy = bool(self._claims) or self._respite.lasts
        self._removal.hold(is_busy and self.removing < self._pace.put_off)

    def _creations_due(self, wanted: Wanted) -> int:
        if self.removing >= self._pace.backlog:
            return 0
        if self._claims:
            to_keep = 0 if self._making.trouble else self._kept - len(self._shelf)
            lacking = len(self._claims) + max(0, to_keep)
            return min(self._pace.creations, lacking) - self._making.count
        if self._making.paused or (self._respite.lasts and len(self._shelf)):
            return 0
        at_once = 1 if self._making.trouble else self._pace.creations
        return min(at_once, wanted.waiting - len(self._shelf)) - self._making.count

    @property
    def _kept(self) -> int:
        return self._reserve.kept(others=len(self._claimed) + len(self._claims))

    def _may_preload(self, wanted: Wanted) -> bool:
        """Whether nobody else could use the processor time."""
        busy = len(self._claimed) + self._making.count + self._preloading.count
        return (
            not self._preloading.paused
            and not self._respite.lasts
            and self._preloading.count < self._pace.preloads
            and not self._claims
            and busy < self._processors
            and self._shelf.count(State.PRELOADED) + self._shelf.count(State.PRELOADING)
            < wanted.preloaded
        )

    def _take_in(self, sandbox: Sandbox, took_s: float) -> None:
        self._demand.creation_s.add(took_s)
        self._place(sandbox)
        self._tend()

    def _take_back(self, sandbox: Sandbox) -> None:
        self._claimed.discard(sandbox)
        self._place(sandbox)

    def _place(self, sandbox: Sandbox) -> None:
        """Give a fresh sandbox to who has waited longest; if nobody waits, it does."""
        is_kept = not self._claims.has_first and len(self._shelf) < self._kept
        if self._tending is None:
            self._removal.add(sandbox)
        elif not is_kept and self._claims.give(sandbox):
            self._claimed.add(sandbox)
        else:
            self._shelf.put(sandbox)

    def _disappoint(self, fault: Exception) -> None:
        """Fail who has waited longest, unless there is still one being made for each."""
        if self._making.count < len(self._claims):
            self._claims.fail(fault)
        self._tend()

    def _discard(self, unwanted: list[Waiting]) -> None:
        for waiting in unwanted:
            if waiting.preload is not None:
                waiting.preload.cancel()
            self._removal.add(waiting.sandbox)
