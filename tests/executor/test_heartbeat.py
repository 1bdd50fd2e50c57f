"""What keeps an executor from making sandboxes, as it tells the API."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from typing_extensions import override

from executor import heartbeat
from executor.concurrency import end
from executor.heartbeat import beat, engine_trouble
from executor.pool import WarmPool
from executor.sandbox import SandboxUnavailableError
from tests.api.service import executor_status
from tests.executor.eventually import eventually
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio


class HungEngine(LocalEngine):
    """Takes the question and never answers."""

    @override
    async def check(self) -> None:
        await asyncio.Event().wait()


async def test_an_engine_that_answers_and_a_pool_that_fills_are_no_trouble() -> None:
    engine = LocalEngine()
    async with WarmPool(engine, size=1) as pool:
        await eventually(lambda: pool.ready == 1)

        assert await engine_trouble(engine, pool) == ""


async def test_an_engine_that_is_down_is_told_in_its_own_words() -> None:
    engine = LocalEngine()
    engine.fault = SandboxUnavailableError("Docker: connection refused")
    async with WarmPool(engine, size=0) as pool:
        assert await engine_trouble(engine, pool) == "Docker: connection refused"


async def test_an_engine_that_hangs_is_told_within_a_beat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.05)
    engine = HungEngine()
    async with asyncio.timeout(2), WarmPool(engine, size=0) as pool:
        assert "does not answer" in await engine_trouble(engine, pool)


async def test_an_engine_that_answers_but_makes_no_sandboxes_is_trouble() -> None:
    """It is up, and lacks the image."""

    class Imageless(LocalEngine):
        @override
        async def check(self) -> None:
            return

    engine = Imageless()
    engine.fault = SandboxUnavailableError("the engine has no image")
    async with WarmPool(engine, size=1) as pool:
        await eventually(lambda: bool(pool.trouble))

        assert await engine_trouble(engine, pool) == "the engine has no image"


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Where whoever connects is not even refused, as behind a network that loses packets."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # As many as the kernel takes on its behalf, and some that wait.
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003 - the library's own parameter
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_store_that_cannot_be_reached_is_tried_again_within_a_beat(
    deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.05)
    engine, failures = LocalEngine(), Counter[str]()
    async with WarmPool(engine, size=0) as pool:
        beating = asyncio.create_task(
            beat(
                f"redis://127.0.0.1:{deaf_port}/0",
                lambda _: executor_status(),
                engine=engine,
                pool=pool,
                failed=lambda: failures.update(["beat"]),
            )
        )
        await eventually(lambda: failures.total() >= 2, timeout_s=4)
        await end([beating])
