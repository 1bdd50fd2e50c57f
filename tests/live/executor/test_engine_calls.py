"""How often the engine is asked: each call is a few milliseconds of every sandbox."""

import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from executor.docker_engine import DockerEngine
from executor.policy import SandboxPolicy
from executor.pool import WarmPool
from executor.settings import ExecutorSettings
from tests.contracts.sandbox.engines import bash, running_engine
from tests.executor.docker_view import remove_all_of
from tests.executor.eventually import eventually
from tests.live.executor.engine_proxy import EngineProxy

pytestmark = [pytest.mark.docker, pytest.mark.anyio]

ONE_LIFE = [
    "POST /containers",  # create
    "POST /containers/attach",
    "POST /containers/start",
    "DELETE /containers",
]


@pytest.fixture
async def engine(
    proxy: EngineProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[DockerEngine]:
    """One whose shared files are there already."""
    proxy.start()
    monkeypatch.setenv("DOCKER_HOST", proxy.address)
    image = os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest")
    policy = SandboxPolicy.from_settings(ExecutorSettings(sandbox_image=image))
    owner = f"calls-{secrets.token_hex(4)}"
    async with running_engine(owner, tmp_path, policy) as engine:
        await (await engine.create()).destroy()
        proxy.calls.clear()
        yield engine
    remove_all_of(owner)


async def test_a_sandbox_takes_four_calls_from_its_beginning_to_its_end(
    engine: DockerEngine, proxy: EngineProxy
) -> None:
    sandbox = await engine.create()
    await sandbox.preload()
    said = await bash(sandbox, "echo hello")
    await sandbox.destroy()

    assert said == "hello\n"
    assert proxy.calls == ONE_LIFE


async def test_a_pool_adds_none(engine: DockerEngine, proxy: EngineProxy) -> None:
    async with WarmPool(engine, size=2) as pool:
        await eventually(lambda: pool.preloaded == 2)
        for _ in range(3):
            sandbox = await pool.claim("bash")
            await bash(sandbox, "echo hello")
            pool.retire(sandbox)

    made = Counter(proxy.calls)
    created = made[ONE_LIFE[0]]
    assert created >= 3
    # The pool's end may come between the creation of a sandbox and its start.
    assert made <= Counter(ONE_LIFE * created)
    assert made["DELETE /containers"] == created
