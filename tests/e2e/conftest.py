"""LibreChat's clients, each started once and pointed at the service that all tests share."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import GENERATIONS, NEWEST, Client, running_client
from tests.live.running_service import TENANTS, RunningService


@pytest.fixture(scope="session", params=GENERATIONS, ids=str)
def client(request: pytest.FixtureRequest, service: RunningService) -> Iterator[Client]:
    """Each generation in turn."""
    address = f"{service.address}/v1"
    with running_client(request.param, address, service.keys[TENANTS[0]]) as client:
        yield client


@pytest.fixture(scope="session")
def newest(service: RunningService) -> Iterator[Client]:
    """The newest generation alone."""
    with running_client(NEWEST, f"{service.address}/v1", service.keys[TENANTS[0]]) as client:
        yield client
