"""A second service for the traps: what takes hours or many requests elsewhere is soon there."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller

SETTINGS = {
    "CODE_EXEC_TIMEOUT": "1",
    "RATE_LIMIT_EXEC": "1/30s",
    "SANDBOX_POOL_SIZE": "1",
    "SESSION_MAX_AGE_HOURS": str(3 / 3600),
}


@pytest.fixture(scope="session")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Programs have a second, files three, and a user one run in half a minute."""
    with running_service(tmp_path_factory.mktemp("hurried") / "work", SETTINGS) as service:
        yield service


@pytest.fixture
def hurried_caller(hurried: RunningService, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """A user of it whose runs nobody has counted yet."""
    with hurried.caller() as caller:
        caller.http.headers["User-Id"] = request.node.name[:40]
        yield caller
