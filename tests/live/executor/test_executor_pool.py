"""The warm pool of a real executor, on a real engine."""

from pathlib import Path

import pytest

from executor.messages import Finished
from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.live.executor.process import (
    ExecutorProcess,
    eventually,
    request,
    running_executor,
)

pytestmark = pytest.mark.docker


RUNS = 60
AT_ONCE = 6

UNUSED = """
test ! -e /tmp/used && test ! -e used && test "$(ls -A)" = script.sh || echo not fresh
touch /tmp/used used
id -u
"""
"""Each container has a user of its own; so its number tells one from the other."""


def test_no_container_is_ever_used_twice(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    settings = {
        "SANDBOX_POOL_SIZE": "2",
        "SANDBOX_POOL_MAX": "4",
        "EXECUTOR_CONCURRENCY": str(AT_ONCE),
    }
    with running_executor(folder, own_valkey, storage, settings) as executor:
        runs = [request(UNUSED) for _ in range(RUNS)]
        sent = [executor.send(run) for run in runs]
        for run in runs[::10]:
            executor.cancel(run.run_id)

        results = [run.report().result for run in sent]

        users = [result.stdout for result in results if isinstance(result, Finished)]
        assert len(users) >= RUNS - RUNS // 10
        assert all(user.strip().isdigit() for user in users)
        assert len(set(users)) == len(users)


def test_more_wait_where_many_come_but_not_too_many(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    settings = {"SANDBOX_POOL_SIZE": "1", "SANDBOX_POOL_MAX": "3"}
    with running_executor(folder, own_valkey, storage, settings) as executor:
        most = 0

        def grown() -> bool:
            nonlocal most
            most = max(most, executor.ready_sandboxes)
            return _at_rest(executor, waiting=3)

        runs = [executor.send(request(f"print({n})", language="py")) for n in range(20)]
        for number, run in enumerate(runs):
            assert run.finished().stdout == f"{number}\n"
        eventually(grown, "three wait")

        assert most == 3
        assert len(executor.containers) == 3


def _at_rest(executor: ExecutorProcess, *, waiting: int) -> bool:
    status = executor.status
    return (
        status is not None
        and (status.running, status.making_sandboxes, status.removing_sandboxes) == (0, 0, 0)
        and status.ready_sandboxes == waiting
    )
