"""A host that is short of something leaves runs to others, and says so."""

from pathlib import Path

import pytest

from executor.messages import QUEUE_NAME, SPARE_QUEUE_NAME
from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.faults.engine_door import EngineDoor
from tests.live.executor.process import ExecutorProcess, eventually, request

pytestmark = pytest.mark.docker

MORE_THAN_ANY_HOST_HAS = str(1 << 60)


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        ("EXECUTOR_MIN_FREE_MEMORY", "memory is short"),
        ("EXECUTOR_MIN_FREE_DISK", "disk is short"),
    ],
)
def test_with_too_little_free_it_takes_no_runs(
    folder: Path, own_valkey: Valkey, storage: StorageSettings, variable: str, what: str
) -> None:
    settings = {variable: MORE_THAN_ANY_HOST_HAS}
    executor = ExecutorProcess(folder, own_valkey, storage, settings)

    def refuses() -> bool:
        status = executor.status
        return status is not None and not status.accepting

    try:
        executor.launch()
        eventually(lambda: "Canceling queue" in executor.log, "it leaves the queue alone")
        eventually(refuses, "it says so")
        status = executor.status
        assert status is not None
        assert status.detail.startswith(what)
        assert variable in status.detail
        assert status.engine == "up"
        assert f"no new runs are taken: {what}" in executor.log

        executor.send(request("true"))
        executor.send(request("true", is_spare=True))

        executor.rest()  # Time enough to take them.
        with own_valkey.connect() as redis:
            assert redis.llen(QUEUE_NAME) == redis.llen(SPARE_QUEUE_NAME) == 1
        assert executor.end() == 0
    finally:
        executor.put_away()


def test_with_its_engine_back_it_takes_runs_of_every_queue_again(
    folder: Path, own_valkey: Valkey, storage: StorageSettings, tmp_path: Path
) -> None:
    door = EngineDoor(tmp_path / "engine")
    door.open()
    settings = {"DOCKER_HOST": door.address}
    executor = ExecutorProcess(folder, own_valkey, storage, settings)
    try:
        executor.start()
        door.shut()
        eventually(lambda: "no new runs are taken" in executor.log, "it takes none")
        runs = [executor.send(request("echo ran", is_spare=spare)) for spare in (False, True)]
        door.open()

        assert [run.finished().stdout for run in runs] == ["ran\n", "ran\n"]
        assert executor.end() == 0
    finally:
        executor.put_away()


def test_a_spare_run_begins_though_all_slots_are_taken(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    settings = {"EXECUTOR_CONCURRENCY": "2", "EXECUTOR_SHUTDOWN_GRACE": "0"}
    executor = ExecutorProcess(folder, own_valkey, storage, settings)
    try:
        executor.start()
        for _ in range(3):
            executor.send(request("sleep 60"))
        eventually(lambda: executor.running == 2, "all slots are taken")

        spare = executor.send(request("echo ran", is_spare=True))

        assert spare.finished().stdout == "ran\n"
        with own_valkey.connect() as redis:
            assert redis.llen(QUEUE_NAME) == 1, "the slot that is kept is for no other run"
    finally:
        executor.end()
        executor.put_away()
