"""The warm pool: a sandbox leaves it once, and whatever happens none stays behind."""

import asyncio
from itertools import pairwise

import pytest

from executor import pool as pool_module
from executor.pool import WarmPool
from executor.sandbox import SandboxUnavailableError
from tests.executor.eventually import eventually
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> LocalEngine:
    return LocalEngine()


@pytest.fixture
def _fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(pool_module, "LONGEST_RETRY_S", 0.08)


class TestFilling:
    async def test_it_fills_itself_before_anybody_asks(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=3) as pool:
            await eventually(lambda: pool.ready == 3)

            assert len(engine.made) == 3

    async def test_entering_does_not_wait_for_it(self, engine: LocalEngine) -> None:
        engine.open.clear()

        async with WarmPool(engine, size=3) as pool:
            assert pool.ready == 0

    async def test_what_was_taken_is_replaced(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            for _ in range(3):
                pool.retire(await pool.claim())
                await eventually(lambda: pool.ready == 2)

        assert len(engine.made) == 5

    async def test_it_never_holds_more_than_its_size(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            for _ in range(20):
                await asyncio.sleep(0)

            assert pool.ready == 2
            assert len(engine.made) == 2


class TestClaiming:
    async def test_a_waiting_sandbox_is_handed_out_at_once(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=1) as pool:
            await eventually(lambda: pool.ready == 1)
            engine.open.clear()  # None can be made now.

            sandbox = await pool.claim()

            assert sandbox.alive
            pool.retire(sandbox)

    async def test_none_is_handed_out_twice_under_concurrency(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=4) as pool:

            async def use() -> str:
                sandbox = await pool.claim()
                await asyncio.sleep(0)
                pool.retire(sandbox)
                return sandbox.name

            names = await asyncio.gather(*(use() for _ in range(100)))

        assert len(set(names)) == 100
        assert engine.living == []

    async def test_an_empty_pool_makes_one_on_demand(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=0) as pool:
            sandbox = await pool.claim()

            assert sandbox.alive
            pool.retire(sandbox)

    async def test_one_that_died_while_it_waited_is_not_handed_out(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            dead = engine.made[0]
            dead.dead = True

            sandbox = await pool.claim()

            assert sandbox is not dead
            await eventually(lambda: dead.destroyed)
            pool.retire(sandbox)

    async def test_if_none_waits_and_none_can_be_made_the_claim_fails(
        self, engine: LocalEngine
    ) -> None:
        engine.fault = SandboxUnavailableError("Docker: connection refused")

        async with WarmPool(engine, size=0) as pool:
            with pytest.raises(SandboxUnavailableError, match="connection refused"):
                await pool.claim()

            assert pool.trouble == "Docker: connection refused"


@pytest.mark.usefixtures("_fast_retries")
class TestAFailingEngine:
    async def test_it_is_tried_again_ever_more_slowly(self, engine: LocalEngine) -> None:
        engine.fault = SandboxUnavailableError("down")

        async with WarmPool(engine, size=2):
            await eventually(lambda: len(engine.attempts) >= 5)

        waits = [later - earlier for earlier, later in pairwise(engine.attempts[:5])]
        assert all(
            wait >= least
            for wait, least in zip(waits, [0.019, 0.039, 0.079, 0.079], strict=True)
        )

    async def test_its_trouble_is_told_until_it_is_over(self, engine: LocalEngine) -> None:
        engine.fault = SandboxUnavailableError("no image")
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.trouble == "no image")

            engine.fault = None

            await eventually(lambda: pool.ready == 2)
            assert pool.trouble == ""

    async def test_a_fault_that_nobody_thought_of_does_not_end_the_refilling(
        self, engine: LocalEngine
    ) -> None:
        engine.fault = KeyError("Names")
        async with WarmPool(engine, size=1) as pool:
            await eventually(lambda: len(engine.attempts) >= 2)
            assert "KeyError" in pool.trouble

            engine.fault = None

            await eventually(lambda: pool.ready == 1)
            assert pool.trouble == ""


class TestDropDead:
    async def test_the_dead_are_destroyed_and_replaced(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            engine.made[1].dead = True

            assert pool.drop_dead() == 1

            await eventually(lambda: pool.ready == 2 and engine.made[1].destroyed)
            assert not engine.made[0].destroyed

    async def test_a_healthy_pool_is_left_alone(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)

            assert pool.drop_dead() == 0
            assert pool.ready == 2


class TestClosing:
    async def test_the_waiting_ones_are_destroyed(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=3) as pool:
            await eventually(lambda: pool.ready == 3)

        assert engine.living == []

    async def test_the_destruction_of_used_ones_is_awaited(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=0) as pool:
            for _ in range(5):
                pool.retire(await pool.claim())

        assert engine.living == []

    async def test_one_that_is_being_made_is_not_left_behind(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=3):
            await eventually(lambda: len(engine.attempts) == 1)

        engine.open.set()
        await asyncio.sleep(0)
        assert engine.living == []

    async def test_it_closes_although_the_engine_is_down(self, engine: LocalEngine) -> None:
        engine.fault = SandboxUnavailableError("down")

        async with WarmPool(engine, size=3):
            await eventually(lambda: len(engine.attempts) == 1)


class TestClaimsThatNobodyWantsAnyMore:
    async def test_a_cancelled_claim_leaks_nothing(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim())
            await eventually(lambda: len(engine.attempts) == 1)
            claim.cancel()
            await asyncio.wait([claim])
            engine.open.set()

        assert engine.living == []

    async def test_an_abandoned_claim_that_has_its_sandbox_gives_it_back(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim())
            await asyncio.wait([claim])

            pool.abandon(claim)

        assert len(engine.made) == 1
        assert engine.living == []

    async def test_an_abandoned_claim_is_cancelled(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim())
            await asyncio.sleep(0)

            pool.abandon(claim)

        assert claim.cancelled()
        assert engine.living == []

    async def test_an_abandoned_claim_that_failed_is_of_no_further_interest(
        self, engine: LocalEngine
    ) -> None:
        engine.fault = SandboxUnavailableError("down")
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim())
            await asyncio.wait([claim])

            pool.abandon(claim)
