"""A program's first moments are its own: what the pool has to do, it does a little later."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from executor.pool import WarmPool
from executor.pool_clock import RESPITE_S
from executor.sandbox import Sandbox
from tests.executor.fake_clock import FakeClock, TimedEngine, settle
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio

MOMENT_S = RESPITE_S / 10


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def engine() -> LocalEngine:
    return LocalEngine()


async def test_while_others_wait_no_new_one_is_made_at_once(clock: FakeClock) -> None:
    async with WarmPool(TimedEngine(clock), size=2, clock=clock) as pool:
        await clock.advance(3)
        sandbox = await pool.claim("py")
        await clock.advance(RESPITE_S - MOMENT_S)
        assert (pool.ready, pool.making) == (1, 0)

        await clock.advance(2 * MOMENT_S)
        assert (pool.ready, pool.making) == (1, 1)
        pool.retire(sandbox)


async def test_after_the_last_one_a_new_one_is(clock: FakeClock) -> None:
    async with WarmPool(TimedEngine(clock), size=1, clock=clock) as pool:
        await clock.advance(3)
        sandbox = await pool.claim("py")
        await settle()

        assert (pool.ready, pool.making) == (0, 1)
        pool.retire(sandbox)


async def test_for_who_finds_none_it_is(clock: FakeClock) -> None:
    async with WarmPool(TimedEngine(clock), size=0, clock=clock) as pool:
        first = await _after(clock, pool.claim("py"))
        pool.retire(first)
        second = await _after(clock, pool.claim("py"))

        assert clock.now() < 2 + MOMENT_S
        pool.retire(second)


async def test_a_used_one_is_removed_when_its_answer_is_out(
    clock: FakeClock, engine: LocalEngine
) -> None:
    async with WarmPool(engine, size=2, clock=clock) as pool:
        await clock.advance(3)
        sandbox = await pool.claim("py")
        pool.retire(sandbox)
        await clock.advance(RESPITE_S - MOMENT_S)
        assert pool.removing == 1
        assert sandbox in engine.living

        await clock.advance(2 * MOMENT_S)
        await settle()
        assert sandbox not in engine.living


async def test_who_comes_again_and_again_does_not_put_it_off_for_ever(
    clock: FakeClock, engine: LocalEngine
) -> None:
    async with WarmPool(engine, size=8, clock=clock) as pool:
        await clock.advance(3)
        for _ in range(6):
            pool.retire(await pool.claim("py"))
            await clock.advance(RESPITE_S / 2)

        assert len(engine.living) < 8 + 6
        assert pool.ready >= 6


async def test_the_pools_end_waits_for_no_respite(
    clock: FakeClock, engine: LocalEngine
) -> None:
    async with WarmPool(engine, size=2, clock=clock) as pool:
        await clock.advance(3)
        pool.retire(await pool.claim("py"))

    assert engine.living == []


async def _after(clock: FakeClock, claim: Coroutine[Any, Any, Sandbox]) -> Sandbox:
    task = asyncio.create_task(claim)
    await clock.advance(1)
    return await task
