"""The engine goes away and comes back; so does the broker; nobody has to be told."""

from pathlib import Path

import pytest

from executor.messages import FailureKind
from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.executor.docker_view import containers_of, kill
from tests.live.executor.engine_proxy import EngineProxy
from tests.live.executor.process import (
    ExecutorProcess,
    eventually,
    request,
    running_executor,
)

pytestmark = pytest.mark.docker


def test_an_executor_starts_without_an_engine_and_uses_it_once_it_is_there(
    folder: Path, own_valkey: Valkey, storage: StorageSettings, proxy: EngineProxy
) -> None:
    settings = {"DOCKER_HOST": proxy.address}
    executor = ExecutorProcess(folder, own_valkey, storage, settings)
    try:
        executor.launch()
        eventually(lambda: executor.engine_is("down"), "it says that the engine is down")
        status = executor.status
        assert status is not None
        assert "Docker" in status.detail
        assert not status.accepting
        eventually(lambda: "Canceling queue" in executor.log, "it leaves runs to others")
        waiting = executor.send(request("echo fine"))

        proxy.start()

        eventually(lambda: executor.engine_is("up"), "it says that the engine is up")
        assert waiting.finished().stdout == "fine\n"
        assert executor.end() == 0
        assert executor.containers == set()
    finally:
        executor.put_away()


def test_an_engine_that_goes_away_in_a_run_loses_it_and_is_found_again(
    folder: Path, own_valkey: Valkey, storage: StorageSettings, proxy: EngineProxy
) -> None:
    proxy.start()
    settings = {"DOCKER_HOST": proxy.address}  # Cleaning up once an hour.
    with running_executor(folder, own_valkey, storage, settings) as executor:
        running = executor.send(request("sleep 600"))
        eventually(lambda: len(executor.containers) == 2, "it runs, the pool is full")
        before = executor.containers

        proxy.stop()

        assert running.failure() is FailureKind.SANDBOX_LOST
        eventually(lambda: executor.engine_is("down"), "it says that the engine is down")
        eventually(
            lambda: not containers_of(executor.owner, running_only=True) & before,
            "programs do not outlive the connection",
        )

        proxy.start()

        eventually(lambda: executor.engine_is("up"), "it says that the engine is up")
        assert executor.run("echo fine").stdout == "fine\n"
        eventually(lambda: not executor.containers & before, "the leftovers are removed")
        executor.rest()


def test_a_waiting_sandbox_that_dies_is_replaced(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    with running_executor(folder, own_valkey, storage) as executor:
        (waiting,) = executor.containers

        kill(waiting)

        eventually(lambda: waiting not in executor.containers, "the dead one is removed")
        executor.rest()
        assert executor.run("echo fine").stdout == "fine\n"


def test_a_broker_that_goes_away_and_comes_back_is_served_again(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    with running_executor(folder, own_valkey, storage) as executor:
        own_valkey.kill()
        own_valkey.start()

        eventually(lambda: executor.status is not None, "there is a sign of life again")
        assert executor.run("echo fine").stdout == "fine\n"
