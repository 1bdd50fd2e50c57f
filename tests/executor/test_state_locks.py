"""Who has a saved workspace, on a real store of locks."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from executor import state_locks
from executor.state_locks import (
    KEY_PREFIX,
    StateBusyError,
    StateFencedError,
    StateLocks,
    StateUnlockableError,
)
from tests.api.broker import Valkey, running_valkey
from tests.executor.eventually import eventually

pytestmark = pytest.mark.anyio

NAME = "a" * 64


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def locks(valkey: Valkey) -> AsyncIterator[StateLocks]:
    locks = StateLocks(valkey.url)
    yield locks
    await locks.close()


async def test_one_run_has_it_until_it_ends(locks: StateLocks) -> None:
    async with locks.hold("t", NAME, run_id="1"):
        with pytest.raises(StateBusyError):
            async with locks.hold("t", NAME, run_id="2"):
                pass
        async with (
            locks.hold("u", NAME, run_id="2"),
            locks.hold("t", "b" * 64, run_id="2"),
        ):
            pass
    async with locks.hold("t", NAME, run_id="2"):
        pass


async def test_a_run_that_is_sent_again_takes_it_over(locks: StateLocks) -> None:
    async with locks.hold("t", NAME, run_id="1") as first:
        async with locks.hold("t", NAME, run_id="2", first_run_id="1") as second:
            with pytest.raises(StateFencedError):
                await first.confirm()
            await second.confirm()
        async with locks.hold("t", NAME, run_id="3") as third:
            with pytest.raises(StateFencedError):
                await first.confirm()
            await third.confirm()


async def test_the_end_of_the_first_does_not_let_go_of_the_second_ones(
    locks: StateLocks,
) -> None:
    async with locks.hold("t", NAME, run_id="1"):
        second = locks.hold("t", NAME, run_id="2", first_run_id="1")
        lock = await second.__aenter__()

    await lock.confirm()
    with pytest.raises(StateBusyError):
        async with locks.hold("t", NAME, run_id="3"):
            pass
    await second.__aexit__(None, None, None)


async def test_it_ends_by_itself_and_not_while_its_run_goes_on(
    valkey: Valkey, locks: StateLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_locks, "RENEWAL_S", 0.01)
    key = f"{KEY_PREFIX}t:{NAME}"
    with valkey.connect() as client:

        def left_ms() -> int:
            return client.pttl(key)

        async with locks.hold("t", NAME, run_id="1"):
            client.pexpire(key, 200)
            await eventually(lambda: left_ms() > 200)

            assert left_ms() <= state_locks.LOCK_S * 1000
        assert not client.exists(key)


async def test_one_that_the_store_has_forgotten_is_taken_up_again(
    valkey: Valkey, locks: StateLocks
) -> None:
    async with locks.hold("t", NAME, run_id="1") as lock:
        with valkey.connect() as client:
            client.flushall()
        await lock.confirm()
        with pytest.raises(StateBusyError):
            async with locks.hold("t", NAME, run_id="2"):
                pass


async def test_without_a_store_none_can_be_had(valkey: Valkey, locks: StateLocks) -> None:
    valkey.kill()

    with pytest.raises(StateUnlockableError):
        async with locks.hold("t", NAME, run_id="1"):
            pass


async def test_a_run_that_is_cancelled_twice_lets_it_go(locks: StateLocks) -> None:
    """By a client that leaves, and by its deadline."""
    has_it = asyncio.Event()

    async def run() -> None:
        async with locks.hold("t", NAME, run_id="1"):
            has_it.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await has_it.wait()
    running.cancel()
    await asyncio.sleep(0)  # Now it is letting go.
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async with locks.hold("t", NAME, run_id="2"):
        pass
