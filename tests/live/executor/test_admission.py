"""A host that is short of something leaves runs to others, and says so."""

from pathlib import Path

import pytest

from executor.messages import QUEUE_NAME
from storage.settings import StorageSettings
from tests.api.broker import Valkey
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

        executor.rest()  # Time enough to take it.
        with own_valkey.connect() as redis:
            assert redis.llen(QUEUE_NAME) == 1
        assert executor.end() == 0
    finally:
        executor.put_away()
