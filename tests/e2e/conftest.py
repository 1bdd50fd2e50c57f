"""One service for keys and tokens, and LibreChat's clients, each started once for it."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import (
    GENERATIONS,
    NEWEST,
    Client,
    NodeProcess,
    running_client,
    running_script,
)
from tests.e2e.signed import credential, settings_for_tokens
from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service as it comes, but for the public key; not the one that other folders share."""
    folder = tmp_path_factory.mktemp("signed")
    with running_service(folder / "work", settings_for_tokens(folder / "keys")) as service:
        yield service


@pytest.fixture(scope="session")
def caller(service: RunningService) -> Iterator[Caller]:
    """A client with the first tenant's key."""
    with service.caller() as caller:
        yield caller


@pytest.fixture(scope="session", params=GENERATIONS, ids=str)
def client(request: pytest.FixtureRequest, service: RunningService) -> Iterator[Client]:
    """Each generation in turn, let in as LibreChat lets it in."""
    generation = request.param
    address = f"{service.address}/v1"
    with running_client(generation, address, credential(generation, service)) as client:
        yield client


@pytest.fixture(scope="session")
def newest(service: RunningService) -> Iterator[Client]:
    """The newest generation alone."""
    address = f"{service.address}/v1"
    with running_client(NEWEST, address, credential(NEWEST, service)) as client:
        yield client


@pytest.fixture(scope="session")
def librechat() -> Iterator[NodeProcess]:
    """LibreChat's file code."""
    with running_script("librechat.cjs", "modern") as node:
        yield node
