"""The time that an executor goes by, on a real broker."""

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from executor import broker_clock
from executor.broker_clock import BrokerClock
from tests.api.broker import Valkey, running_valkey
from tests.executor.eventually import eventually

pytestmark = pytest.mark.anyio

WRONG_BY_S = 60


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


def is_right(clock: BrokerClock) -> bool:
    return abs(clock.now() - time.time()) < 1


async def followed(clock: BrokerClock, until: Callable[[], bool]) -> None:
    following = asyncio.create_task(clock.follow())
    try:
        await eventually(until)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.mark.parametrize("wrong_by_s", [WRONG_BY_S, -WRONG_BY_S])
async def test_a_machine_whose_clock_is_wrong_has_the_brokers_time(
    valkey: Valkey, wrong_by_s: float
) -> None:
    clock = BrokerClock(valkey.url, machine=lambda: time.time() + wrong_by_s)
    assert not is_right(clock)

    await followed(clock, lambda: is_right(clock))

    assert abs(clock.utc().timestamp() - time.time()) < 1


async def test_a_clock_that_is_set_meanwhile_changes_nothing(valkey: Valkey) -> None:
    wrong_by_s = 0.0
    asked = 0

    def machine() -> float:
        nonlocal asked
        asked += 1
        return time.time() + wrong_by_s

    clock = BrokerClock(valkey.url, machine=machine)
    await followed(clock, lambda: asked > 0)

    wrong_by_s = WRONG_BY_S

    assert is_right(clock)


async def test_a_broker_that_is_away_is_asked_again(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_clock, "RETRY_S", 0.01)
    clock = BrokerClock(valkey.url, machine=lambda: time.time() + WRONG_BY_S)
    valkey.kill()
    following = asyncio.create_task(clock.follow())
    await asyncio.to_thread(valkey.start)
    await eventually(lambda: is_right(clock))
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
