"""What the API makes of the executors' signs of life, on a real Valkey."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from api.live_executors import LiveExecutors
from executor.image_version import supervisor_digest
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus
from tests.api.broker import Valkey, running_valkey

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    redis = Redis.from_url(valkey.url)
    await redis.flushall()
    yield redis
    await redis.aclose()


@pytest.fixture
async def executors(redis: Redis) -> LiveExecutors:
    return LiveExecutors(redis, ask_broker=None, tell=lambda _: None)


async def beat(
    redis: Redis, name: str, *, accepting: bool = True, image_version: str = ""
) -> None:
    status = ExecutorStatus(
        instance_id=name,
        host="here",
        engine="up",
        accepting=accepting,
        image_version=image_version,
        ready_sandboxes=1,
        running=0,
        capacity=1,
    )
    await redis.set(HEARTBEAT_KEY_PREFIX + name, status.model_dump_json())


class TestWhoTakesRuns:
    async def test_one_that_takes_none_is_nobody(
        self, redis: Redis, executors: LiveExecutors
    ) -> None:
        await beat(redis, "ending", accepting=False)
        await executors.look()
        before_s = executors.nobody_for_s()
        await asyncio.sleep(0.05)
        await executors.look()

        assert executors.nobody_for_s() > before_s

        await beat(redis, "fine")
        await executors.look()

        assert executors.nobody_for_s() < 0.05

    async def test_others_are_those_that_take_runs(
        self, redis: Redis, executors: LiveExecutors
    ) -> None:
        await beat(redis, "ending", accepting=False)
        await beat(redis, "fine")
        await executors.look()

        assert executors.others_accept("ending")
        assert not executors.others_accept("fine")


class TestGone:
    async def test_one_is_gone_for_runs_that_were_sent_while_it_lived(
        self, redis: Redis, executors: LiveExecutors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.live_executors.HEARTBEAT_INTERVAL_S", 0.05)
        monkeypatch.setattr("api.live_executors.HEARTBEAT_TTL_S", 0.0)
        monkeypatch.setattr("api.live_executors.LOST_AFTER_S", 0.1)
        clock = asyncio.get_running_loop().time
        await beat(redis, "one")
        await beat(redis, "two")
        await executors.look()
        sent_at = clock()
        assert not executors.has_lost_any(since=sent_at)

        await redis.delete(f"{HEARTBEAT_KEY_PREFIX}one")
        async with asyncio.timeout(5):
            while not executors.has_lost_any(since=sent_at):
                await executors.look()
                await asyncio.sleep(0.01)

        assert not executors.has_lost_any(since=clock() + 1)


class TestImage:
    async def test_another_version_is_told_once_and_ours_never(
        self, redis: Redis, executors: LiveExecutors, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        await beat(redis, "current", image_version=supervisor_digest())
        await beat(redis, "not-known-yet")
        await beat(redis, "behind", image_version="0123456789abcdef")
        await executors.look()
        await executors.look()

        (told,) = caplog.messages
        assert told.startswith("executor behind: ")
        assert "0123456789ab" in told
