"""While programs find no sandbox and fill all slots, the next one is kept for a spare run."""

import asyncio

import pytest

from executor.pool import WarmPool
from executor.sandbox import Sandbox, SandboxUnavailableError
from tests.executor.eventually import eventually
from tests.executor.fake_clock import FakeClock, TimedEngine, settle
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio

MANY = 10
SLOTS = 4


def claims(pool: WarmPool, count: int) -> "list[asyncio.Task[Sandbox]]":
    return [asyncio.create_task(pool.claim("py")) for _ in range(count)]


async def served(claims: "list[asyncio.Task[Sandbox]]", pool: WarmPool) -> None:
    """Retire what they have got, one after the other."""
    for claim in asyncio.as_completed(claims):
        pool.retire(await claim)


async def test_in_a_quiet_pool_whoever_comes_may_have_the_last() -> None:
    engine = LocalEngine()
    async with WarmPool(engine, size=2, slots=SLOTS) as pool:
        await eventually(lambda: pool.ready == 2)
        engine.open.clear()

        first, second = [await pool.claim("py") for _ in range(2)]

        assert pool.ready == 0
        pool.retire(first)
        pool.retire(second)
        engine.open.set()


async def test_in_a_flood_a_spare_run_finds_one_that_waits() -> None:
    clock = FakeClock()
    async with WarmPool(TimedEngine(clock), size=2, slots=SLOTS, clock=clock) as pool:
        await clock.advance(5)
        flood = claims(pool, MANY)
        await clock.advance(1)
        assert pool.ready == 1
        assert not all(claim.done() for claim in flood)

        sandbox = await pool.claim("py", is_spare=True)

        pool.retire(sandbox)
        serving = asyncio.create_task(served(flood, pool))
        await clock.advance(10)
        await serving


async def test_where_none_waits_a_spare_run_has_the_next() -> None:
    engine = LocalEngine()
    engine.open.clear()
    async with WarmPool(engine, size=1, slots=SLOTS) as pool:
        flood = claims(pool, MANY)
        await settle()
        spare = asyncio.create_task(pool.claim("py", is_spare=True))
        await settle()
        engine.open.set()

        pool.retire(await spare)

        assert not any(claim.done() for claim in flood)
        await served(flood, pool)


async def test_the_flood_is_served_all_the_same() -> None:
    engine = LocalEngine()
    async with WarmPool(engine, size=1, slots=SLOTS) as pool:
        async with asyncio.timeout(10):
            await served(claims(pool, 50), pool)

    assert engine.living == []


async def test_who_comes_alone_has_the_last_though_there_was_none_just_now() -> None:
    clock = FakeClock()
    async with WarmPool(TimedEngine(clock), size=1, slots=SLOTS, clock=clock) as pool:
        serving = asyncio.create_task(served(claims(pool, MANY), pool))
        await clock.advance(10)
        await serving
        await clock.advance(2)
        assert pool.ready == 1

        sandbox = await asyncio.wait_for(pool.claim("py"), 1)

        assert pool.ready == 0
        pool.retire(sandbox)


async def test_so_have_as_many_as_there_are_slots_where_nobody_lacked_any_lately() -> None:
    clock = FakeClock()
    engine = TimedEngine(clock)
    async with WarmPool(engine, size=SLOTS, slots=SLOTS, clock=clock) as pool:
        await clock.advance(5)
        assert pool.ready == SLOTS

        sandboxes = [await asyncio.wait_for(pool.claim("py"), 1) for _ in range(SLOTS)]

        for sandbox in sandboxes:
            pool.retire(sandbox)


async def test_where_no_sandbox_ever_waits_none_is_kept() -> None:
    engine = LocalEngine()
    async with WarmPool(engine, size=0, slots=SLOTS) as pool:
        await served(claims(pool, MANY), pool)
        await eventually(lambda: engine.living == [])

        assert pool.ready == 0


async def test_an_engine_that_fails_fails_all_who_wait_and_not_the_spare_run() -> None:
    clock = FakeClock()
    engine = TimedEngine(clock)
    async with WarmPool(engine, size=2, slots=SLOTS, clock=clock) as pool:
        await clock.advance(5)
        flood = claims(pool, MANY)
        await clock.advance(1)
        engine.fault = SandboxUnavailableError("down")
        await clock.advance(MANY)
        assert all(claim.done() for claim in flood)
        assert any(claim.exception() for claim in flood)

        pool.retire(await pool.claim("py", is_spare=True))

        for claim in flood:
            if claim.exception() is None:
                pool.retire(claim.result())
