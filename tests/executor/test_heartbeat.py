"""What keeps an executor from making sandboxes, as it tells the API."""

import asyncio

import pytest
from typing_extensions import override

from executor import heartbeat
from executor.heartbeat import engine_trouble
from executor.pool import WarmPool
from executor.sandbox import SandboxUnavailableError
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
