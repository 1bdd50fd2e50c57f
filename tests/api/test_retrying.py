"""Background work outlives faults, and ends when it is told to."""

import asyncio
import logging
from typing import NoReturn

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from api.retrying import in_background, keep_doing

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.retrying.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("api.retrying.CANCEL_AGAIN_S", 0.01)


class Work:
    """Fails as it is told, then does well, and says when it has been done often enough."""

    def __init__(self, *faults: Exception) -> None:
        self._faults = list(faults)
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        if self._faults:
            raise self._faults.pop(0)
        self.done.set()
        await asyncio.sleep(0)


async def done_in_background(work: Work) -> None:
    async with asyncio.timeout(5), in_background(keep_doing(work, "the work")):
        await work.done.wait()


class TestFaults:
    async def test_an_outage_is_survived_and_told_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        await done_in_background(Work(*[RedisConnectionError("gone")] * 3))

        assert caplog.messages == ["the work: gone"]

    async def test_a_bug_is_survived_and_told_with_its_traceback(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        await done_in_background(Work(ZeroDivisionError("a bug")))

        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None


class TestEnding:
    async def test_the_end_of_the_block_ends_it(self) -> None:
        tasks_before = asyncio.all_tasks()

        await done_in_background(Work())

        assert asyncio.all_tasks() == tasks_before

    async def test_a_cancellation_that_gets_lost_is_repeated(self) -> None:
        """As Python 3.11's `asyncio.wait_for` loses it, inside redis-py."""

        async def deaf_once() -> NoReturn:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()
            raise AssertionError

        async with asyncio.timeout(5):
            async with in_background(deaf_once()):
                await asyncio.sleep(0)

    async def test_the_blocks_own_fault_passes_through(self) -> None:
        with pytest.raises(ZeroDivisionError):
            async with in_background(keep_doing(Work(), "the work")):
                raise ZeroDivisionError
