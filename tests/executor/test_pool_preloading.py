"""Waiting sandboxes preload when nobody else could use the time, and for whom it pays."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from executor.pool import WarmPool
from executor.sandbox import Program, Sandbox, SandboxUnavailableError
from tests.executor.eventually import eventually
from tests.executor.fake_clock import FakeClock, TimedEngine, settle
from tests.executor.local_engine import LocalEngine, LocalSandbox
from tests.executor.workbench import LIMITS

pytestmark = pytest.mark.anyio

MANY = 16


class SlowlyPreloading(LocalEngine):
    """What it makes does not come to the end of its preloading by itself."""

    @override
    async def create(self) -> Sandbox:
        sandbox = await super().create()
        self.made[-1].may_preload.clear()
        return sandbox

    @property
    def preloading(self) -> list[LocalSandbox]:
        """Those that have begun."""
        return [sandbox for sandbox in self.made if sandbox.preloading.is_set()]


@pytest.fixture
async def engine() -> SlowlyPreloading:
    return SlowlyPreloading()


@asynccontextmanager
async def full_pool(
    engine: LocalEngine, *, size: int, processors: int = MANY, clock: FakeClock | None = None
) -> AsyncGenerator[WarmPool]:
    async with WarmPool(engine, size=size, processors=processors, clock=clock) as pool:
        await eventually(lambda: pool.ready == size)
        await settle()
        yield pool
    assert engine.living == []


async def one_preloaded_one_preloading(engine: SlowlyPreloading) -> None:
    """Of three on one processor, where one after the other preloads; the third is bare."""
    engine.preloading[0].may_preload.set()
    await eventually(lambda: len(engine.preloading) == 2)
    assert [sandbox.preloaded for sandbox in engine.made] == [True, False, False]


class TestWhen:
    async def test_every_one_that_waits_preloads(self) -> None:
        async with full_pool(LocalEngine(), size=5) as pool:
            await eventually(lambda: pool.preloaded == 5)

    async def test_two_at_a_time(self, engine: SlowlyPreloading) -> None:
        async with full_pool(engine, size=5) as pool:
            assert len(engine.preloading) == 2

            engine.preloading[0].may_preload.set()
            await eventually(lambda: len(engine.preloading) == 3)

            assert pool.preloaded == 1

    async def test_not_while_as_many_programs_run_as_there_are_processors(
        self, engine: SlowlyPreloading
    ) -> None:
        engine.open.clear()
        async with WarmPool(engine, size=2, processors=2) as pool:
            claims = [asyncio.create_task(pool.claim("py")) for _ in range(2)]
            engine.open.set()
            running = await asyncio.gather(*claims)
            await eventually(lambda: pool.ready == 2)
            await settle()
            assert engine.preloading == []

            pool.retire(running[0])
            await eventually(lambda: len(engine.preloading) == 1)
            await settle()
            assert len(engine.preloading) == 1

            pool.retire(running[1])
            await eventually(lambda: len(engine.preloading) == 2)

    async def test_not_while_anybody_waits_for_a_sandbox(
        self, engine: SlowlyPreloading
    ) -> None:
        async with full_pool(engine, size=1, processors=1) as pool:
            assert len(engine.preloading) == 1
            engine.open.clear()
            first = await pool.claim("py")
            claims = [asyncio.create_task(pool.claim("py")) for _ in range(2)]
            await settle()

            pool.retire(first)
            await settle()
            assert len(engine.preloading) == 1

            engine.open.set()
            for sandbox in await asyncio.gather(*claims):
                pool.retire(sandbox)
            await eventually(lambda: len(engine.preloading) == 2)

    async def test_other_languages_find_bare_ones_where_they_come_often(self) -> None:
        clock = FakeClock()
        engine = TimedEngine(clock)
        async with WarmPool(engine, size=3, processors=MANY, clock=clock) as pool:
            await clock.advance(1)
            assert pool.preloaded == 3

            found: list[Sandbox] = []
            for _ in range(20):
                found.append(await pool.claim("bash"))
                pool.retire(found[-1])
                await clock.advance(1.1)
            assert not found[-1].preloaded
            assert (pool.ready, pool.preloaded) == (3, 2)

            await clock.advance(25)  # Nobody comes any more.
            assert (pool.ready, pool.preloaded) == (3, 3)


class TestForWhom:
    async def test_python_takes_a_preloaded_one_then_a_bare_one_then_one_that_is_at_it(
        self, engine: SlowlyPreloading
    ) -> None:
        async with full_pool(engine, size=3, processors=1) as pool:
            await one_preloaded_one_preloading(engine)
            engine.open.clear()

            claimed = [await pool.claim("py") for _ in range(3)]

            preloaded, preloading, bare = engine.made
            assert claimed == [preloaded, bare, preloading]
            for sandbox in claimed:
                pool.retire(sandbox)

    async def test_other_languages_take_a_bare_one_first(
        self, engine: SlowlyPreloading
    ) -> None:
        async with full_pool(engine, size=3, processors=1) as pool:
            await one_preloaded_one_preloading(engine)
            engine.open.clear()

            claimed = [await pool.claim("bash") for _ in range(3)]

            preloaded, preloading, bare = engine.made
            assert claimed == [bare, preloaded, preloading]
            for sandbox in claimed:
                pool.retire(sandbox)

    async def test_one_that_was_interrupted_runs_a_program_like_any_other(
        self, engine: SlowlyPreloading
    ) -> None:
        async with full_pool(engine, size=1) as pool:
            assert len(engine.preloading) == 1

            sandbox = await pool.claim("bash")

            assert not sandbox.preloaded
            await sandbox.prepare(Program(language="bash", source=b"echo well"), LIMITS)
            assert (await sandbox.run()).stdout == b"well\n"
            pool.retire(sandbox)

    async def test_whoever_leaves_while_it_is_interrupted_leaves_nothing_behind(
        self, engine: SlowlyPreloading
    ) -> None:
        async with full_pool(engine, size=1) as pool:
            claim = asyncio.create_task(pool.claim("py"))
            await asyncio.sleep(0)
            claim.cancel()
            await asyncio.wait([claim])

            await eventually(lambda: pool.ready == 1 and pool.removing == 0)
            assert len(engine.living) == 1


class TestFailures:
    async def test_one_that_breaks_is_replaced(self) -> None:
        engine = LocalEngine()
        engine.next_breaks_in = ["preload"]
        clock = FakeClock()
        async with full_pool(engine, size=1, clock=clock) as pool:
            await eventually(lambda: engine.made[0].destroyed)

            await clock.advance(1)

            assert pool.preloaded == 1

    async def test_where_each_one_breaks_they_are_tried_ever_more_slowly(self) -> None:
        """As with too little memory for what is imported; bare ones wait all the same."""
        engine = LocalEngine()
        engine.next_breaks_in = ["preload"] * 20
        clock = FakeClock()
        async with full_pool(engine, size=1, clock=clock) as pool:
            for broken, pause_s in enumerate((0.5, 1, 2, 4, 8, 10), start=1):
                await clock.advance(pause_s - 0.01)
                assert [sandbox.dead for sandbox in engine.made] == [True] * broken + [False]
                await clock.advance(0.01)

            assert pool.ready == 1
            assert pool.trouble == ""

    async def test_who_takes_one_at_the_moment_when_it_breaks_gets_another(self) -> None:
        class BreaksWhenInterrupted(LocalSandbox):
            @override
            async def preload(self) -> None:
                self.preloading.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise SandboxUnavailableError("it went just now") from None

        class OneOfThem(LocalEngine):
            @override
            async def create(self) -> Sandbox:
                if self.made:
                    return await super().create()
                self.made.append(BreaksWhenInterrupted("local-first"))
                return self.made[0]

        engine = OneOfThem()
        async with full_pool(engine, size=1) as pool:
            assert engine.made[0].preloading.is_set()

            sandbox = await pool.claim("py")

            assert sandbox is engine.made[1]
            pool.retire(sandbox)

    async def test_a_fault_that_nobody_thought_of_costs_one_sandbox(self) -> None:
        class Surprising(LocalSandbox):
            @override
            async def preload(self) -> None:
                raise KeyError("modules")

        class Engine(LocalEngine):
            @override
            async def create(self) -> Sandbox:
                if self.made:
                    return await super().create()
                self.made.append(Surprising("local-first"))
                return self.made[0]

        engine = Engine()
        clock = FakeClock()
        async with full_pool(engine, size=1, clock=clock) as pool:
            await clock.advance(1)

            assert engine.made[0].destroyed
            assert pool.preloaded == 1
