"""Who may begin a run, on a real result store."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from executor.reports import CLAIM_EXPIRY_S, CLAIM_PREFIX, Reports
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


async def test_a_store_that_is_away_stops_no_run(valkey: Valkey, reports: Reports) -> None:
    valkey.kill()

    assert await reports.claim("run", until=time.time() + 60)
    assert reports.errors == 1
