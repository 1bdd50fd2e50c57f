"""The warm pool: a sandbox leaves it once, and whatever happens none stays behind."""

import asyncio

import pytest
from typing_extensions import override

from executor.pool import WarmPool
from executor.sandbox import Sandbox, SandboxUnavailableError
from tests.executor.eventually import eventually
from tests.executor.fake_clock import FakeClock, settle
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> LocalEngine:
    return LocalEngine()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


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
                pool.retire(await pool.claim("py"))
                await eventually(lambda: pool.ready == 2)

        assert len(engine.made) == 5

    async def test_it_never_holds_more_than_its_size(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            await settle()

            assert pool.ready == 2
            assert len(engine.made) == 2

    async def test_a_few_are_made_at_once_and_no_more(self, engine: LocalEngine) -> None:
        engine.open.clear()

        async with WarmPool(engine, size=20, processors=3) as pool:
            await settle()

            assert pool.making == len(engine.attempts) == 3


class TestClaiming:
    async def test_a_waiting_sandbox_is_handed_out_at_once(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=1) as pool:
            await eventually(lambda: pool.ready == 1)
            engine.open.clear()  # None can be made now.

            sandbox = await pool.claim("py")

            assert sandbox.alive
            pool.retire(sandbox)

    async def test_none_is_handed_out_twice_under_concurrency(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=4) as pool:

            async def use() -> str:
                sandbox = await pool.claim("py")
                await asyncio.sleep(0)
                pool.retire(sandbox)
                return sandbox.name

            names = await asyncio.gather(*(use() for _ in range(100)))

        assert len(set(names)) == 100
        assert engine.living == []

    async def test_an_empty_pool_makes_one_on_demand(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=0) as pool:
            sandbox = await pool.claim("py")

            assert sandbox.alive
            pool.retire(sandbox)

    async def test_who_came_first_gets_the_first_that_is_made(
        self, engine: LocalEngine
    ) -> None:
        engine.open.clear()
        served: list[int] = []
        async with WarmPool(engine, size=0) as pool:

            async def use(number: int) -> None:
                sandbox = await pool.claim("py" if number % 2 else "bash")
                served.append(number)
                pool.retire(sandbox)

            uses = [asyncio.create_task(use(number)) for number in range(10)]
            await settle()
            engine.open.set()
            await asyncio.gather(*uses)

        assert served == list(range(10))

    async def test_what_was_begun_to_fill_the_pool_is_for_who_waits(
        self, engine: LocalEngine
    ) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.making == 2)

            claims = [asyncio.create_task(pool.claim("py")) for _ in range(2)]
            await settle()
            assert pool.making == 2  # And no further ones.

            engine.open.set()
            for sandbox in await asyncio.gather(*claims):
                pool.retire(sandbox)

    async def test_one_that_died_while_it_waited_is_not_handed_out(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.ready == 2)
            dead = engine.made[0]
            dead.dead = True

            sandbox = await pool.claim("py")

            assert sandbox is not dead
            await eventually(lambda: dead.destroyed)
            pool.retire(sandbox)

    async def test_if_none_waits_and_none_can_be_made_the_claim_fails(
        self, engine: LocalEngine
    ) -> None:
        engine.fault = SandboxUnavailableError("Docker: connection refused")

        async with WarmPool(engine, size=0) as pool:
            with pytest.raises(SandboxUnavailableError, match="connection refused"):
                await pool.claim("py")

            assert pool.trouble == "Docker: connection refused"

    async def test_a_claim_does_not_fail_while_one_is_being_made_for_it(self) -> None:
        """Two are under way for the pool; the first fails, the second does not."""

        class Stumbling(LocalEngine):
            @override
            async def create(self) -> Sandbox:
                if not self.attempts:
                    self.attempts.append(0)
                    await self.open.wait()
                    raise SandboxUnavailableError("a moment, please")
                return await super().create()

        engine = Stumbling()
        engine.open.clear()
        async with WarmPool(engine, size=2) as pool:
            await eventually(lambda: pool.making == 2)
            claim = asyncio.create_task(pool.claim("py"))
            await settle()
            engine.open.set()

            pool.retire(await claim)

    async def test_a_pool_that_is_closed_has_none(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=1) as pool:
            pass

        with pytest.raises(SandboxUnavailableError, match="closed"):
            await pool.claim("py")


class TestAFailingEngine:
    async def test_it_is_tried_again_ever_more_slowly(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        engine.fault = SandboxUnavailableError("down")
        async with WarmPool(engine, size=1, clock=clock) as pool:
            await settle()
            assert len(engine.attempts) == 1
            for attempts, pause_s in enumerate((0.5, 1, 2, 4, 8, 10, 10), start=1):
                await clock.advance(pause_s - 0.01)
                assert len(engine.attempts) == attempts
                await clock.advance(0.01)
                assert len(engine.attempts) == attempts + 1

            engine.fault = None
            await clock.advance(10)
            assert pool.ready == 1
            pool.retire(await pool.claim("py"))
            engine.fault = SandboxUnavailableError("down again")
            await settle()
            tried = len(engine.attempts)
            await clock.advance(0.5)
            assert len(engine.attempts) == tried + 1

    async def test_while_it_fails_it_is_tried_by_one_at_a_time(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        engine.fault = SandboxUnavailableError("down")
        async with WarmPool(engine, size=3, processors=3, clock=clock):
            await settle()
            assert len(engine.attempts) == 3

            await clock.advance(0.5)
            assert len(engine.attempts) == 4
            await clock.advance(1)
            assert len(engine.attempts) == 5

    async def test_a_claim_tries_it_at_once(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        engine.fault = SandboxUnavailableError("down")
        async with WarmPool(engine, size=1, clock=clock) as pool:
            await settle()
            engine.fault = None

            sandbox = await pool.claim("py")

            assert pool.trouble == ""
            pool.retire(sandbox)
            await eventually(lambda: pool.ready == 1)  # Without a pause.

    async def test_its_trouble_is_told_until_it_is_over(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        engine.fault = SandboxUnavailableError("no image")
        async with WarmPool(engine, size=2, clock=clock) as pool:
            await eventually(lambda: pool.trouble == "no image")

            engine.fault = None
            await clock.advance(0.5)

            assert pool.ready == 2
            assert pool.trouble == ""

    async def test_a_fault_that_nobody_thought_of_does_not_end_the_refilling(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        engine.fault = KeyError("Names")
        async with WarmPool(engine, size=1, clock=clock) as pool:
            await eventually(lambda: "KeyError" in pool.trouble)

            engine.fault = None
            await clock.advance(0.5)

            assert pool.ready == 1
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

    async def test_it_looks_for_them_by_itself(
        self, engine: LocalEngine, clock: FakeClock
    ) -> None:
        async with WarmPool(engine, size=2, clock=clock) as pool:
            await settle()
            engine.made[0].dead = True

            await clock.advance(5)

            assert engine.made[0].destroyed
            assert pool.ready == 2


class TestClosing:
    async def test_the_waiting_ones_are_destroyed(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=3) as pool:
            await eventually(lambda: pool.ready == 3)

        assert engine.living == []

    async def test_the_destruction_of_used_ones_is_awaited(self, engine: LocalEngine) -> None:
        async with WarmPool(engine, size=0) as pool:
            for _ in range(5):
                pool.retire(await pool.claim("py"))

        assert engine.living == []

    async def test_one_that_is_being_made_is_not_left_behind(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=1):
            await eventually(lambda: len(engine.attempts) == 1)

        engine.open.set()
        await settle()
        assert engine.living == []

    async def test_it_closes_although_the_engine_is_down(self, engine: LocalEngine) -> None:
        engine.fault = SandboxUnavailableError("down")

        async with WarmPool(engine, size=1):
            await eventually(lambda: len(engine.attempts) == 1)

    async def test_who_still_waits_is_told(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await settle()

        with pytest.raises(SandboxUnavailableError, match="ending"):
            await claim


class TestClaimsThatNobodyWantsAnyMore:
    async def test_a_cancelled_claim_leaks_nothing(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await eventually(lambda: len(engine.attempts) == 1)
            claim.cancel()
            await asyncio.wait([claim])
            engine.open.set()

        assert engine.living == []

    async def test_what_it_would_have_got_goes_to_the_next(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            first, second = [asyncio.create_task(pool.claim("py")) for _ in range(2)]
            await settle()
            first.cancel()
            engine.open.set()

            pool.retire(await second)

            await eventually(lambda: engine.living == [])

    @pytest.mark.parametrize("steps", range(8))
    async def test_whenever_it_is_cancelled_nothing_is_lost(
        self, engine: LocalEngine, steps: int
    ) -> None:
        """While its sandbox is being made, at the moment when it is, and after that."""
        engine.open.clear()
        taken: list[Sandbox] = []
        async with WarmPool(engine, size=0) as pool:

            async def use() -> None:
                sandbox = await pool.claim("py")
                taken.append(sandbox)
                pool.retire(sandbox)

            first, second = [asyncio.create_task(use()) for _ in range(2)]
            await settle()
            engine.open.set()
            for _ in range(steps):
                await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(first, second, return_exceptions=True)

            await eventually(lambda: engine.living == [])
            assert len(taken) == (1 if first.cancelled() else 2)
            assert len(engine.made) == 2

    async def test_an_abandoned_claim_that_has_its_sandbox_gives_it_back(
        self, engine: LocalEngine
    ) -> None:
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await asyncio.wait([claim])

            pool.abandon(claim)

        assert len(engine.made) == 1
        assert engine.living == []

    async def test_an_abandoned_claim_is_cancelled(self, engine: LocalEngine) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await asyncio.sleep(0)

            pool.abandon(claim)

        assert claim.cancelled()
        assert engine.living == []

    async def test_an_abandoned_claim_that_failed_is_of_no_further_interest(
        self, engine: LocalEngine
    ) -> None:
        engine.fault = SandboxUnavailableError("down")
        async with WarmPool(engine, size=0) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await asyncio.wait([claim])

            pool.abandon(claim)
