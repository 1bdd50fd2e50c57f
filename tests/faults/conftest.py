"""A service that is treated badly, and what every test of this folder sees of it afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.aftermath import comes_back_whole
from tests.faults.engine_door import EngineDoor
from tests.faults.outages import FRAGILE_SETTINGS
from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> EngineDoor:
    """What stands between the fragile service and the container engine."""
    door = EngineDoor(tmp_path_factory.mktemp("door") / "engine.sock")
    door.open()
    return door


@pytest.fixture(scope="session")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, door: EngineDoor
) -> Iterator[RunningService]:
    """A service that may be treated badly."""
    settings = {**FRAGILE_SETTINGS, "DOCKER_HOST": door.address}
    with running_service(tmp_path_factory.mktemp("fragile") / "work", settings) as service:
        yield service


@pytest.fixture
def faulty(fragile: RunningService) -> RunningService:
    """The service that the fault befalls; some modules have another."""
    return fragile


@pytest.fixture(autouse=True)
def caller(faulty: RunningService) -> Iterator[Caller]:
    """A client of the service at rest; after the test it must be as it was before."""
    with comes_back_whole(faulty) as caller:
        yield caller


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as elsewhere:
        yield elsewhere
