"""One Docker engine for all tests of sandboxes; at the end nothing of it may be left."""

import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from executor.docker_engine import DockerEngine
from executor.policy import SandboxPolicy
from executor.pool import WarmPool
from executor.sandbox import SandboxEngine
from executor.settings import ExecutorSettings
from executor.shared_assets import pack
from tests.contracts.sandbox.engines import running_engine
from tests.contracts.sandbox.lab import Lab
from tests.executor.docker_view import containers_of, remove_all_of
from tests.executor.local_engine import LocalEngine

WAITING_SANDBOXES = 2


def policy() -> SandboxPolicy:
    """The policy of an executor that was told nothing but the image, on a whole processor."""
    settings = ExecutorSettings.model_validate(
        {
            "sandbox_image": os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest"),
            "cpu_limit": 1.0,
        }
    )
    return SandboxPolicy.from_settings(settings)


@pytest.fixture(scope="session")
async def docker_engine(anyio_backend: str) -> AsyncGenerator[DockerEngine]:
    assert anyio_backend == "asyncio"
    owner = f"contract-{secrets.token_hex(4)}"
    assets = pack(ExecutorSettings.model_fields["shared_assets_path"].default)
    engine = DockerEngine(policy(), owner=owner, assets=assets)
    yield engine
    left = containers_of(owner)
    await engine.close()
    remove_all_of(owner)
    assert left == set()


@pytest.fixture(scope="session")
async def docker_pool(docker_engine: DockerEngine) -> AsyncGenerator[WarmPool]:
    async with WarmPool(docker_engine, size=WAITING_SANDBOXES) as pool:
        yield pool


@pytest.fixture
def lab(docker_pool: WarmPool) -> Lab:
    return Lab(docker_pool)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest) -> SandboxEngine:
    """Every engine that is meant to keep the port's promises."""
    if request.param == "local":
        return LocalEngine()
    return request.getfixturevalue("docker_engine")


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A folder of shared files."""
    folder = tmp_path / "assets"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "a.txt").write_text("first\n")
    return folder


@pytest.fixture
def owner() -> Iterator[str]:
    """Whom a test's own engine works for; what a failed test left of it goes at the end."""
    owner = f"engine-{secrets.token_hex(4)}"
    yield owner
    remove_all_of(owner)


@pytest.fixture
def neighbour() -> Iterator[str]:
    """Somebody else with an engine on the same machine."""
    neighbour = f"neighbour-{secrets.token_hex(4)}"
    yield neighbour
    remove_all_of(neighbour)


@pytest.fixture
async def own_engine(owner: str, assets: Path) -> AsyncGenerator[DockerEngine]:
    """A Docker engine that the test has for itself."""
    async with running_engine(owner, assets, policy()) as engine:
        yield engine
