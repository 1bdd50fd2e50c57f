"""Who may begin a run, on a real result store."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from executor.reports import CLAIM_EXPIRY_S, CLAIM_PREFIX, PAUSE_S, Reports
from tests.api.broker import Valkey, running_valkey

pytestmark = pytest.mark.anyio


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def reports(valkey: Valkey) -> AsyncIterator[Reports]:
    reports = Reports(valkey.url, instance_id="one")
    yield reports
    await reports.close()


async def test_a_run_is_claimed_once_whoever_asks(valkey: Valkey, reports: Reports) -> None:
    another = Reports(valkey.url, instance_id="another")
    until = time.time() + 60

    assert await reports.claim("run", until=until)
    assert not await another.claim("run", until=until)
    assert not await reports.claim("run", until=until)
    assert await another.claim("another-run", until=until)
    await another.close()


async def test_a_claim_outlives_the_deadline_and_no_more(
    valkey: Valkey, reports: Reports
) -> None:
    await reports.claim("run", until=time.time() + 60)

    with valkey.connect() as client:
        left_s = client.ttl(f"{CLAIM_PREFIX}run")

    assert isinstance(left_s, int)
    assert CLAIM_EXPIRY_S + 50 < left_s <= CLAIM_EXPIRY_S + 60


async def test_a_run_waits_for_a_store_that_is_away(valkey: Valkey, reports: Reports) -> None:
    valkey.kill()
    claim = asyncio.create_task(reports.claim("run", until=time.time() + 60))
    done, _ = await asyncio.wait({claim}, timeout=2 * PAUSE_S)
    assert not done

    valkey.start()

    assert await claim


async def test_nobody_begins_a_run_of_which_nobody_knows(
    valkey: Valkey, reports: Reports
) -> None:
    valkey.kill()

    assert not await reports.claim("run", until=time.time() + 2 * PAUSE_S)


async def test_a_claim_whose_answer_was_lost_is_still_ours(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has it, and the connection broke before it could say so."""
    claimed = Redis.set
    broken: list[str] = []

    async def and_breaks(redis: Redis, *args: Any, **options: Any) -> Any:
        told = await claimed(redis, *args, **options)
        if not broken:
            broken.append("once")
            raise RedisConnectionError("the connection broke")
        return told

    monkeypatch.setattr(Redis, "set", and_breaks)

    assert await reports.claim("run", until=time.time() + 60)
    assert reports.errors == 1
