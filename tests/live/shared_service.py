"""The service that tests/live and tests/traps share: it is started once."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import TENANTS, RunningService, running_service
from tests.live.running_service_caller import Caller


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service as it comes, with two tenants."""
    with running_service(tmp_path_factory.mktemp("service") / "work") as service:
        yield service


@pytest.fixture(scope="session")
def caller(service: RunningService) -> Iterator[Caller]:
    """The first tenant's client."""
    with service.caller() as caller:
        yield caller


@pytest.fixture(scope="session")
def stranger(service: RunningService) -> Iterator[Caller]:
    """The second tenant's client."""
    with service.caller(TENANTS[1]) as caller:
        yield caller


@pytest.fixture
def nothing_is_stored(service: RunningService) -> Iterator[None]:
    """See that the test leaves the bucket as it was, as another client of it sees it."""
    before = service.stored()
    yield
    assert service.stored() == before
