"""Runs that executors have no room for wait in the API, and whose turn it is decides.

The stand-in executor takes eight at once, and four more are sent, so as to lie ready.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from api.celery_dispatch import CeleryDispatcher
from api.dispatch import RunTimedOutError, TenantQueueFullError
from api.turns import UNKNOWN_WINDOW
from executor.messages import QUEUE_NAME, SPARE_QUEUE_NAME, RunReport
from tests.api.broker import Valkey, running_valkey, running_worker
from tests.live.dispatching import (
    LIMITS,
    be_impatient,
    begun,
    connected,
    make_request,
    stdout_of,
)
from tests.live.running_service import eventually

pytestmark = pytest.mark.anyio

CAPACITY = 8
EXCESS = 4
COMPILED_AT_ONCE = 6


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.fixture
def valkey() -> Generator[Valkey, None, None]:
    with running_valkey() as valkey:
        yield valkey


class Flood:
    """Many runs at once, each of which ends when one more is let go."""

    def __init__(self, valkey: Valkey, dispatcher: CeleryDispatcher) -> None:
        self.dispatcher = dispatcher
        self.tasks: list[asyncio.Task[RunReport]] = []
        self._valkey = valkey

    async def come(self, count: int, *, user: str = "flood") -> None:
        """Have so many runs of tenant `default` come; return when they wait where they will."""
        requests = [make_request("wait for go", user=user) for _ in range(count)]
        self.tasks += [asyncio.create_task(self.dispatcher.run(run)) for run in requests]
        waiting = len(self.tasks) - CAPACITY - EXCESS
        async with asyncio.timeout(10):
            while True:  # There is no event for that.
                if (await self.dispatcher.readiness()).waiting == waiting:
                    return
                await asyncio.sleep(0.01)

    async def let_go(self, count: int) -> None:
        with closing(self._valkey.connect()) as client:
            await asyncio.to_thread(client.rpush, "go", *["now"] * count)

    async def begun(self, count: int) -> list[str]:
        """Wait until so many more have begun; return the ids of the runs, in their order."""
        return [(await begun(self._valkey))[0] for _ in range(count)]


@asynccontextmanager
async def flooded(valkey: Valkey, *, spare: int = 0) -> AsyncGenerator[Flood, None]:
    """Give an executor that is busy with the first of 200 runs of one user."""
    with running_worker(valkey, "busy", spare=spare):
        async with connected(valkey) as dispatcher:
            await dispatcher.run(make_request())  # The executor is known by its end.
            await begun(valkey)
            flood = Flood(valkey, dispatcher)
            await flood.come(200)
            await flood.begun(CAPACITY)
            yield flood
            for task in flood.tasks:
                task.cancel()
            await asyncio.gather(*flood.tasks, return_exceptions=True)
            assert (await dispatcher.readiness()).waiting == 0


async def are_sent(valkey: Valkey, count: int, *, queue: str = QUEUE_NAME) -> None:
    """Wait until the broker has so many that nobody has taken."""
    with closing(valkey.connect()) as client:
        await asyncio.to_thread(
            eventually, lambda: client.llen(queue) == count, f"{count} are sent"
        )


class TestFlood:
    @pytest.mark.parametrize(
        "who",
        [
            {"tenant": "another"},
            {"user": "another"},
            # Whoever has a key may use any name, and takes no turn of who has it by a token.
            {"user": "flood", "user_is_proven": True},
        ],
        ids=["tenant", "user", "proven"],
    )
    async def test_one_run_of_another_is_next_after_those_that_lie_ready(
        self, valkey: Valkey, who: dict[str, Any]
    ) -> None:
        async with flooded(valkey) as flood:
            request = make_request("echo", "me", **who)
            running = asyncio.create_task(flood.dispatcher.run(request))
            await asyncio.sleep(0)
            await flood.let_go(EXCESS + 1)

            # Threads that begin at the same moment may tell of it in any order.
            assert request.run_id in await flood.begun(EXCESS + 1)
            report = await running

        assert stdout_of(report) == "me"
        assert report.steps.turn > 0

    async def test_where_others_have_the_spare_slot_it_waits_with_everybody(
        self, valkey: Valkey
    ) -> None:
        async with flooded(valkey, spare=1) as flood:
            request = make_request("echo", "me", tenant="another")
            running = asyncio.create_task(flood.dispatcher.run(request))
            await are_sent(valkey, 1, queue=SPARE_QUEUE_NAME)
            await are_sent(valkey, EXCESS + 1)
            await flood.let_go(EXCESS + 1)

            assert request.run_id in await flood.begun(EXCESS + 1)
            report = await running

        assert stdout_of(report) == "me"

    async def test_the_broker_has_no_more_than_lie_ready(self, valkey: Valkey) -> None:
        async with flooded(valkey) as flood:
            with closing(valkey.connect()) as client:
                assert client.llen(QUEUE_NAME) == EXCESS
                await flood.let_go(20)
                await flood.begun(20)
            await are_sent(valkey, EXCESS)

    async def test_who_leaves_while_waiting_is_never_sent(self, valkey: Valkey) -> None:
        async with flooded(valkey) as flood:
            for task in flood.tasks[CAPACITY + EXCESS :]:
                task.cancel()
            await asyncio.sleep(0)
            request = make_request("echo")
            running = asyncio.create_task(flood.dispatcher.run(request))
            await flood.let_go(EXCESS + 1)

            assert request.run_id in await flood.begun(EXCESS + 1)
            await running

    async def test_who_waits_longer_than_until_its_deadline_is_told(
        self, valkey: Valkey
    ) -> None:
        async with flooded(valkey) as flood:
            request = make_request("echo", tenant="another", wait_s=0.2)

            with pytest.raises(RunTimedOutError):
                await flood.dispatcher.run(request)
            await flood.let_go(EXCESS + 2)

            assert request.run_id not in await flood.begun(EXCESS + 2)


async def test_what_is_lost_with_an_executor_keeps_its_turn(valkey: Valkey) -> None:
    async with connected(valkey) as dispatcher:
        with running_worker(valkey, "first") as first:
            await dispatcher.run(make_request())
            await begun(valkey)
            flood = Flood(valkey, dispatcher)
            await flood.come(40)
            await flood.begun(CAPACITY)
            first.kill()
            with running_worker(valkey, "second"):
                await flood.let_go(40)
                reports = await asyncio.gather(*flood.tasks)

    assert len({report.run_id for report in reports}) == 40


async def test_until_an_executor_comes_few_are_sent_and_then_all(valkey: Valkey) -> None:
    async with connected(valkey) as dispatcher:
        running = [asyncio.create_task(dispatcher.run(make_request())) for _ in range(40)]
        await are_sent(valkey, UNKNOWN_WINDOW)
        assert (await dispatcher.readiness()).waiting == 40 - UNKNOWN_WINDOW
        with running_worker(valkey, "late"):
            await asyncio.gather(*running)
            assert (await dispatcher.readiness()).waiting == 0


async def test_beyond_the_limit_the_newest_is_refused(valkey: Valkey) -> None:
    limits = LIMITS._replace(runs_per_tenant=3)
    async with connected(valkey, limits) as dispatcher:
        requests = [make_request() for _ in range(UNKNOWN_WINDOW + 3)]
        running = [asyncio.create_task(dispatcher.run(request)) for request in requests]
        await are_sent(valkey, UNKNOWN_WINDOW)

        with pytest.raises(TenantQueueFullError):
            await dispatcher.run(make_request())
        with running_worker(valkey, "late"):
            reports = await asyncio.gather(*running)

    assert [report.run_id for report in reports] == [request.run_id for request in requests]


async def test_a_flood_of_slow_compilers_leaves_others_a_place(valkey: Valkey) -> None:
    async with connected(valkey) as dispatcher:
        with running_worker(valkey, "one"):
            await dispatcher.run(make_request())
            await begun(valkey)
            slow = [make_request("wait for go", language="rs") for _ in range(40)]
            flood = [asyncio.create_task(dispatcher.run(request)) for request in slow]
            for _ in range(COMPILED_AT_ONCE):
                await begun(valkey)

            async with asyncio.timeout(5):
                reports = [await dispatcher.run(make_request("echo", "me")) for _ in range(20)]

            assert {stdout_of(report) for report in reports} == {"me"}
            assert (await dispatcher.readiness()).waiting == len(flood) - COMPILED_AT_ONCE
            with closing(valkey.connect()) as client:
                client.rpush("go", *("now" for _ in flood))
            await asyncio.gather(*flood)
