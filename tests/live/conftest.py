"""Services that the live tests share: each is started once, since that takes seconds."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import TENANTS, RunningService, running_service
from tests.live.running_service_altered import altered_settings, image_by_another_name
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


@pytest.fixture(scope="session")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service with every setting different that one machine can have different."""
    folder = tmp_path_factory.mktemp("altered")
    with (
        image_by_another_name() as image,
        running_service(folder / "work", altered_settings(folder, image)) as service,
    ):
        yield service


@pytest.fixture(scope="session")
def altered_caller(altered: RunningService) -> Iterator[Caller]:
    """The first tenant's client of that one."""
    with altered.caller() as caller:
        yield caller
