"""How requests are counted: for how long, for whom together, and without the store."""

import asyncio
import itertools
import logging
import time
from contextlib import AsyncExitStack, closing

import pytest

from api.rate_store import MAX_CONNECTIONS
from tests.api.broker import Valkey
from tests.api.rate_limited import HEADERS, limited
from tests.api.service import OTHER_KEY

pytestmark = pytest.mark.anyio


class TestTime:
    async def test_who_waits_as_long_as_told_is_let_in(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="2/1s") as api:
            await api.ask()
            answer = await api.ask()
            while answer.status_code != 429:  # A slow machine may take more than the second.
                answer = await api.ask()
            told_at, wait_s = time.monotonic(), int(answer.headers["retry-after"])

            while answer.status_code == 429 and time.monotonic() < told_at + wait_s:
                answer = await api.ask()
            if answer.status_code == 429:
                answer = await api.ask()

        assert answer.status_code == 200

    async def test_in_no_time_of_its_length_are_more_let_in(self, valkey: Valkey) -> None:
        spans: list[tuple[float, float]] = []
        async with limited(valkey, exec="5/1s") as api:
            until = time.monotonic() + 2.5
            while (began_at := time.monotonic()) < until:
                if (await api.ask()).status_code == 200:
                    spans.append((began_at, time.monotonic()))

        assert len(spans) >= 10
        assert all(
            sixth[1] - first[0] >= 1 for first, sixth in zip(spans, spans[5:], strict=False)
        )

    async def test_of_many_at_once_exactly_as_many_as_allowed_are_let_in(
        self, valkey: Valkey
    ) -> None:
        async with limited(valkey) as api:
            statuses = await api.statuses_at_once(50)
            with closing(valkey.connect()) as client:
                connections = len(client.client_list()) - 1

        assert sorted(statuses) == [200] * 20 + [429] * 30
        assert connections <= MAX_CONNECTIONS

    async def test_replicas_count_together(self, valkey: Valkey) -> None:
        async with AsyncExitStack() as stack:
            replicas = [await stack.enter_async_context(limited(valkey)) for _ in range(2)]
            statuses = await asyncio.gather(*(api.statuses_at_once(25) for api in replicas))

        assert sorted(itertools.chain(*statuses)) == [200] * 20 + [429] * 30

    async def test_nothing_is_kept_longer_than_it_counts(self, valkey: Valkey) -> None:
        async with limited(valkey) as api:
            await api.ask()

        with closing(valkey.connect()) as client:
            (key,) = client.keys()
            assert 25_000 < client.pttl(str(key)) <= 30_000


class TestStoreThatIsDown:
    async def test_requests_pass_uncounted_and_the_log_says_so_once(
        self,
        valkey: Valkey,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("api.rate_store.PAUSE_S", 0.0)  # Every request finds it down.
        async with limited(valkey, exec="1/1m") as api:
            valkey.kill()
            try:
                answers = [await api.ask() for _ in range(10)]
            finally:
                valkey.start()

        assert {answer.status_code for answer in answers} == {200}
        assert not any(name in answer.headers for answer in answers for name in HEADERS)
        (said,) = warnings(caplog)
        assert said.startswith("requests pass uncounted while the result store does not answer")

    async def test_they_are_counted_again_when_it_is_back(
        self,
        valkey: Valkey,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("api.rate_store.PAUSE_S", 0.1)
        caplog.set_level(logging.INFO, "api.rate_store")
        async with limited(valkey, exec="1/1m") as api:
            valkey.kill()
            await api.ask()
            valkey.start()
            deadline = time.monotonic() + 10
            while (await api.ask()).status_code != 429:
                assert time.monotonic() < deadline

        assert "requests are counted again" in caplog.messages

    async def test_one_that_hangs_delays_one_request_and_no_more(
        self, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.rate_store.REDIS_TIMEOUT_S", 0.5)
        async with limited(valkey, exec="1/1m") as api:
            await api.ask()
            with valkey.frozen():
                began_at = time.monotonic()
                assert await api.statuses(40) == [200] * 40
                took_s = time.monotonic() - began_at

        assert 0.5 <= took_s < 4  # Forty in turn would take twenty seconds.


class TestLog:
    async def test_who_is_refused_is_told_once_a_minute_and_tenant(
        self, valkey: Valkey, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with limited(valkey, exec="1/1m") as api:
            await api.statuses(5, User_Id="ann")
            await api.statuses(5, User_Id="bob")
            await api.statuses(5, key=OTHER_KEY)

        assert warnings(caplog) == [
            "tenant default: more exec requests than 1/60s of user 'ann' are refused",
            "tenant acme: more exec requests than 1/60s of user 'key:acme' are refused",
        ]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("api.rate") and record.levelno >= logging.WARNING
    ]
