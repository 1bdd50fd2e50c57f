"""A service that is attacked by its first tenant while the second one uses it.

Each test of this folder is one case of SECURITY.md's table, marked with its number. What must
hold beside every case is held by `others_are_served`: nobody else notices, and nothing stays.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.running_service import TENANTS, RunningService, running_service
from tests.live.running_service_caller import Caller
from tests.security.neighbour import Neighbour
from tests.security.results import Recorder

RUNTIME = os.environ.get("SECURITY_RUNTIME", "")
"""What runs the sandboxes; the default where it is empty."""

TIME_LIMIT_S = 20 if RUNTIME else 6
"""Longest run: attacks that only end with their time are many, and each costs this. On gVisor's
`ptrace` platform a system call takes some fifty times as long, and attacks make many."""

SETTINGS = {
    "CODE_EXEC_TIMEOUT": str(TIME_LIMIT_S),
    "SANDBOX_RUNTIME": RUNTIME,
}


def pytest_configure(config: pytest.Config) -> None:
    """Note what comes of the cases, if asked to."""
    path = os.environ.get("SECURITY_RESULTS")
    if path:
        config.pluginmanager.register(Recorder(Path(path).resolve(), RUNTIME or "runc"))


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service under attack; its runtime is `SECURITY_RUNTIME`'s, or the default."""
    with running_service(tmp_path_factory.mktemp("target") / "work", SETTINGS) as service:
        yield service


@pytest.fixture(scope="session")
def attacker(target: RunningService) -> Iterator[Caller]:
    """The first tenant's client."""
    with target.caller() as caller:
        yield caller


@pytest.fixture(scope="session")
def victim(target: RunningService) -> Iterator[Caller]:
    """The second tenant's client: whose files are wanted."""
    with target.caller(TENANTS[1]) as caller:
        yield caller


@pytest.fixture(autouse=True)
def others_are_served(request: pytest.FixtureRequest) -> Iterator[None]:
    """See that the second tenant's runs succeed meanwhile, and that nothing is left after.

    Tests marked `alone` attack no running service.
    """
    if request.node.get_closest_marker("alone") is not None:
        yield
        return
    # Asked for here: for those tests it is not even started.
    target: RunningService = request.getfixturevalue("target")
    with target.caller(TENANTS[1]) as caller, Neighbour(caller) as neighbour:
        yield
        neighbour.is_still_served()
        assert caller.http.get("/health").json()["status"] == "ok"
    target.rest()
