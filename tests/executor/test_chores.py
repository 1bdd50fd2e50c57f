"""An executor of which a part has failed ends; one whose parts end or are ended goes on."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator

import pytest

from executor.chores import chore
from executor.concurrency import end

pytestmark = pytest.mark.anyio


@pytest.fixture
async def told_to_end() -> AsyncGenerator[asyncio.Event, None]:
    """Set once this process is told to end."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, event.set)
    yield event
    loop.remove_signal_handler(signal.SIGTERM)


async def test_a_failure_ends_the_process_and_is_in_the_log(
    told_to_end: asyncio.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise KeyError("Names")

    task = chore(fail())

    await asyncio.wait_for(told_to_end.wait(), 5)
    assert task.done()
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


async def test_what_is_done_or_no_longer_wanted_ends_nothing(
    told_to_end: asyncio.Event,
) -> None:
    done = chore(asyncio.sleep(0))
    unwanted = chore(asyncio.sleep(60))
    await done

    await end([unwanted])

    assert not told_to_end.is_set()
