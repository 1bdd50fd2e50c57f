"""Services that the live tests share besides the one that all tests do."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService, running_service
from tests.live.running_service_altered import altered_settings, image_by_another_name
from tests.live.running_service_caller import Caller


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service with every setting different that one machine can have different."""
    folder = tmp_path_factory.mktemp("altered")
    with (
        image_by_another_name() as image,
        running_service(folder / "work", altered_settings(folder, image)) as service,
    ):
        yield service


@pytest.fixture(scope="module")
def altered_caller(altered: RunningService) -> Iterator[Caller]:
    """The first tenant's client of that one."""
    with altered.caller() as caller:
        yield caller
