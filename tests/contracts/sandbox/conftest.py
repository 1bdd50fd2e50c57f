"""One engine of each kind for all tests of sandboxes; at the end nothing of it may be left."""

import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from executor.docker_engine import DockerEngine
from executor.oci_engine import OciEngine
from executor.policy import SandboxPolicy
from executor.pool import WarmPool
from executor.sandbox import SandboxEngine
from executor.settings import ExecutorSettings
from executor.shared_assets import AssetArchive, pack
from tests.contracts.sandbox.engines import running_engine, unpacked_images_folder
from tests.contracts.sandbox.lab import Lab
from tests.executor import oci_view
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


def shipped_assets() -> AssetArchive:
    return pack(ExecutorSettings.model_fields["shared_assets_path"].default)


# Not for the session: anyio then calls every later test an asynchronous one, and
# `anyio.run` is refused in it.
@pytest.fixture(scope="package")
async def docker_engine(anyio_backend: str) -> AsyncGenerator[DockerEngine]:
    assert anyio_backend == "asyncio"
    owner = f"contract-{secrets.token_hex(4)}"
    engine = DockerEngine(policy(), owner=owner, assets=shipped_assets())
    yield engine
    left = containers_of(owner)
    await engine.close()
    remove_all_of(owner)
    assert left == set()


@pytest.fixture(scope="package")
async def oci_engine(anyio_backend: str) -> AsyncGenerator[OciEngine]:
    assert anyio_backend == "asyncio"
    owner = f"contract-{secrets.token_hex(4)}"
    engine = OciEngine(
        policy(), owner=owner, assets=shipped_assets(), images=unpacked_images_folder()
    )
    yield engine
    left = oci_view.boxes_of(owner)
    await engine.close()
    assert left == set()


@pytest.fixture(scope="package", params=["docker", "oci"])
def real_engine(request: pytest.FixtureRequest) -> DockerEngine | OciEngine:
    """Each engine whose sandboxes hold strangers' programs."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(scope="package")
async def pool(real_engine: DockerEngine | OciEngine) -> AsyncGenerator[WarmPool]:
    async with WarmPool(real_engine, size=WAITING_SANDBOXES) as pool:
        yield pool


@pytest.fixture
def lab(pool: WarmPool) -> Lab:
    return Lab(pool)


@pytest.fixture(
    params=[
        "local",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("oci", marks=pytest.mark.docker),
    ]
)
def engine(request: pytest.FixtureRequest) -> SandboxEngine:
    """Every engine that is meant to keep the port's promises."""
    if request.param == "local":
        return LocalEngine()
    return request.getfixturevalue(f"{request.param}_engine")


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
