"""The pool is as large as it has to be, and creation never outruns removal."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from executor.pool import WarmPool
from executor.pool_demand import HELD_S
from executor.pool_pace import pace_of
from executor.sandbox import Sandbox
from tests.executor.eventually import eventually
from tests.executor.fake_clock import FakeClock, TimedEngine, settle
from tests.executor.local_engine import LocalEngine, LocalSandbox

pytestmark = pytest.mark.anyio

PROCESSORS = 4
PACE = pace_of(PROCESSORS)


async def use(pool: WarmPool, times: int) -> None:
    for _ in range(times):
        pool.retire(await pool.claim("py"))


class TestSize:
    async def test_more_wait_where_many_come_and_fewer_some_minutes_later(self) -> None:
        clock = FakeClock()
        engine = TimedEngine(clock)
        async with WarmPool(engine, size=2, most=5, processors=PROCESSORS, clock=clock) as pool:
            await clock.advance(5)
            assert pool.ready == 2

            rush = asyncio.gather(*(use(pool, 1) for _ in range(20)))
            await clock.advance(10)
            assert rush.done()
            assert pool.ready == len(engine.living) == 5

            await clock.advance(HELD_S - 1)
            assert pool.ready == 5
            newest = engine.living[-2:]
            await clock.advance(30)
            assert pool.ready == 2
            assert engine.living == newest

    async def test_a_rush_that_goes_on_keeps_it_large(self) -> None:
        clock = FakeClock()
        engine = TimedEngine(clock)
        async with WarmPool(engine, size=2, most=5, processors=PROCESSORS, clock=clock) as pool:
            for _ in range(2 * round(HELD_S / 10)):
                rush = asyncio.gather(*(use(pool, 1) for _ in range(20)))
                await clock.advance(10)

                assert rush.done()
                assert pool.ready == 5

    async def test_with_size_0_none_ever_waits(self) -> None:
        engine = LocalEngine()
        async with WarmPool(engine, size=0, most=8) as pool:
            await asyncio.gather(*(use(pool, 10) for _ in range(5)))
            await eventually(lambda: engine.living == [])

            assert pool.ready == pool.making == 0

    async def test_what_was_made_for_who_has_left_does_not_wait_either(self) -> None:
        engine = LocalEngine()
        engine.open.clear()
        async with WarmPool(engine, size=0, most=8) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await settle()
            claim.cancel()
            engine.open.set()

            await eventually(lambda: len(engine.made) == 1 and engine.living == [])
            assert pool.ready == 0


class SlowlyRemoving(LocalEngine):
    """What it makes is not gone before a test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = asyncio.Event()
        """Cleared, removers wait."""
        self.going = 0

    @override
    async def create(self) -> Sandbox:
        await self.open.wait()
        self.made.append(_Lingering(f"local-{len(self.made)}", self))
        return self.made[-1]


class _Lingering(LocalSandbox):
    def __init__(self, name: str, engine: SlowlyRemoving) -> None:
        super().__init__(name)
        self._engine = engine

    @override
    async def destroy(self) -> None:
        self._engine.going += 1
        await self._engine.may_go.wait()
        self._engine.going -= 1
        await super().destroy()


@pytest.fixture
async def engine() -> AsyncGenerator[SlowlyRemoving]:
    engine = SlowlyRemoving()
    yield engine
    assert engine.living == []


@asynccontextmanager
async def pool_on(engine: SlowlyRemoving, *, size: int) -> AsyncGenerator[WarmPool]:
    async with WarmPool(engine, size=size, processors=PROCESSORS) as pool:
        try:
            yield pool
        finally:
            engine.may_go.set()


class TestRemoval:
    async def test_nobody_waits_for_it(self, engine: SlowlyRemoving) -> None:
        async with pool_on(engine, size=0) as pool:
            async with asyncio.timeout(5):
                await use(pool, 3)

            assert pool.removing == len(engine.living) == 3

    async def test_a_few_at_once_and_no_more(self, engine: SlowlyRemoving) -> None:
        async with pool_on(engine, size=0) as pool:
            await use(pool, PACE.backlog)
            await settle()

            assert engine.going == PACE.removals

    async def test_it_is_put_off_while_anybody_waits(self, engine: SlowlyRemoving) -> None:
        async with pool_on(engine, size=0) as pool:
            running = await pool.claim("py")
            engine.open.clear()
            waiting = asyncio.create_task(pool.claim("py"))
            await settle()
            pool.retire(running)
            await settle()
            assert engine.going == 0

            waiting.cancel()
            await eventually(lambda: engine.going == 1)

    async def test_but_not_of_too_many(self, engine: SlowlyRemoving) -> None:
        async with pool_on(engine, size=0) as pool:
            uses = [asyncio.create_task(use(pool, 1)) for _ in range(50)]
            await eventually(lambda: engine.going > 0)

            assert any(not each.done() for each in uses)
            assert pool.removing >= PACE.put_off
            engine.may_go.set()
            await asyncio.gather(*uses)

    async def test_with_too_many_to_remove_no_new_one_is_made(
        self, engine: SlowlyRemoving
    ) -> None:
        async with pool_on(engine, size=0) as pool:
            claims = [asyncio.create_task(use(pool, 1)) for _ in range(50)]
            await settle()

            # Those that were under way when there were too many came to that.
            assert PACE.backlog <= pool.removing <= PACE.backlog + 2 * PACE.creations
            assert len(engine.made) == pool.removing
            assert pool.making == 0

            engine.may_go.set()
            await asyncio.gather(*claims)
            assert len(engine.made) == 50

    async def test_under_lasting_load_what_is_there_stays_bounded(
        self, engine: SlowlyRemoving
    ) -> None:
        """As many as may be removed, are being made, run or wait: however many have run."""
        at_once, waiting = 6, 2
        engine.may_go.set()
        most = 0
        async with pool_on(engine, size=waiting) as pool:

            async def use_and_count(times: int) -> None:
                nonlocal most
                for _ in range(times):
                    sandbox = await pool.claim("py")
                    most = max(most, len(engine.living))
                    await asyncio.sleep(0)
                    pool.retire(sandbox)

            await asyncio.gather(*(use_and_count(100) for _ in range(at_once)))

        assert len(engine.made) >= 100 * at_once
        assert most <= PACE.backlog + PACE.creations + at_once + waiting
