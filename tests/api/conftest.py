"""A service per test, a client of its tenant, and one of another's."""

from collections.abc import Generator
from contextlib import closing

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.broker import Valkey, running_valkey
from tests.api.service import OTHER_KEY, Service, make_client, make_service

Client = TestClient[Litestar]


# The clients are not entered: the app does nothing at start and stop, and Litestar's handling
# of that now and then leaves a stream open, which is an error here.


@pytest.fixture
def service() -> Service:
    return make_service()


@pytest.fixture
def client(service: Service) -> Client:
    return make_client(service)


@pytest.fixture
def stranger(service: Service) -> Client:
    """A client with the key of another tenant."""
    return make_client(service, OTHER_KEY)


@pytest.fixture(scope="session")
def valkey_server() -> Generator[Valkey, None, None]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """A server that holds nothing yet."""
    with closing(valkey_server.connect()) as client:
        client.flushall()
    return valkey_server
