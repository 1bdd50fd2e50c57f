"""`dockerd` itself is restarted, and killed, while a program runs."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.outages import (
    DEADLINE_S,
    ENDLESS_PROGRAM,
    FRAGILE_SETTINGS,
    ask_until_well,
    begin_run,
    health,
    measured,
    outage,
)
from tests.faults.own_engine import OwnEngine, own_engine
from tests.live.running_service import RunningService, eventually, running_service
from tests.live.running_service_caller import Caller

pytestmark = [pytest.mark.docker, pytest.mark.case(57)]


SETTINGS = {**FRAGILE_SETTINGS, "CODE_EXEC_TIMEOUT": "30"}
"""Told to stop, dockerd leaves programs 10 s to end by themselves; their own limit is later."""


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def on_own_engine(
    tmp_path_factory: pytest.TempPathFactory, engine: OwnEngine
) -> Iterator[RunningService]:
    """A service on it. So that the tests' own look at containers goes there as well, the whole
    process is told."""
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = engine.address
    try:
        folder = tmp_path_factory.mktemp("on-own-engine")
        with running_service(folder / "work", SETTINGS) as service:
            yield service
    finally:
        del os.environ["DOCKER_HOST"]
        if before is not None:
            os.environ["DOCKER_HOST"] = before


@pytest.fixture
def faulty(on_own_engine: RunningService) -> RunningService:
    return on_own_engine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_during_a_run_the_run_is_told_and_the_next_one_served(
    on_own_engine: RunningService,
    engine: OwnEngine,
    caller: Caller,
    elsewhere: ThreadPoolExecutor,
    number: signal.Signals,
) -> None:
    pending, _ = begin_run(on_own_engine, caller, elsewhere, ENDLESS_PROGRAM)
    began_at = time.monotonic()

    engine.end(number)

    answer = pending.result()
    assert time.monotonic() - began_at < DEADLINE_S
    assert outage(answer) == "sandbox_execution_failed"
    eventually(
        lambda: health(on_own_engine)["parts"]["engine"] == "down", "health says what is away"
    )

    engine.start()

    with measured(f"dockerd, after {number.name}"):
        ask_until_well(
            lambda: caller.http.post("/exec", json={"lang": "bash", "code": "echo 1"})
        )
