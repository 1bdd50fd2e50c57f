"""Each setting of an executor, changed, and the difference seen."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.docker_spec import OWNER_LABEL
from executor.messages import Stopped
from storage.settings import StorageSettings
from tests.api.broker import running_valkey
from tests.executor.docker_view import create_container, image_by_another_name, inspect
from tests.live.executor.process import (
    ExecutorProcess,
    eventually,
    request,
    running_executor,
)

pytestmark = pytest.mark.docker

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def altered(folder: Path, storage: StorageSettings) -> Iterator[ExecutorProcess]:
    """An executor with every setting different from its default."""
    assets = folder / "assets"
    assets.mkdir()
    (assets / "greeting.txt").write_text("good day\n")
    with image_by_another_name("code-sandbox:renamed") as image, running_valkey() as valkey:
        settings = {
            "CLEANUP_INTERVAL_MINUTES": "0.02",
            "CODE_EXEC_TIMEOUT": "1.5",
            "CPU_LIMIT": "0.25",
            "EXECUTOR_CONCURRENCY": "1",
            "MAX_UPLOAD_SIZE": "1000",
            "MEMORY_LIMIT": str(160 * MIB),
            "OUTPUT_MAX_BYTES": "2048",
            "SANDBOX_IMAGE": image,
            "SANDBOX_POOL_SIZE": "2",
            "SANDBOX_RUNTIME": "io.containerd.runc.v2",
            "SHARED_ASSETS_PATH": str(assets),
            "WORKSPACE_SIZE_LIMIT": str(20 * MIB),
        }
        with running_executor(folder, valkey, storage, settings) as executor:
            yield executor


def test_code_exec_timeout_is_when_a_program_is_ended(altered: ExecutorProcess) -> None:
    result = altered.run("sleep 600")

    assert result.stopped is Stopped.TIME
    assert 1500 <= result.wall_time_ms < 4000


def test_memory_limit_is_what_the_programs_may_take(altered: ExecutorProcess) -> None:
    taking = "python3 -I -S -c 'x = bytearray(b\"x\") * ({} << 20)'"

    assert altered.run(taking.format(60)).exit_code == 0
    assert altered.run(taking.format(190)).stopped is Stopped.MEMORY


def test_workspace_size_limit_is_what_the_workspace_holds(altered: ExecutorProcess) -> None:
    assert altered.run("df --output=size -B1 . | tail -1").stdout.strip() == str(20 * MIB)


def test_max_upload_size_is_what_an_output_may_have(altered: ExecutorProcess) -> None:
    result = altered.run("head -c 1000 /dev/zero > kept; head -c 1001 /dev/zero > not-kept")

    assert [entry.name for entry in result.files] == ["kept"]
    assert [skipped.name for skipped in result.skipped] == ["not-kept"]


def test_output_max_bytes_is_where_output_is_cut(altered: ExecutorProcess) -> None:
    result = altered.run("yes")

    assert (result.stopped, len(result.stdout)) == (Stopped.STDOUT, 2048)


def test_shared_assets_path_is_what_programs_see(altered: ExecutorProcess) -> None:
    assert altered.run("cat /mnt/shared/*").stdout == "good day\n"


def test_executor_concurrency_is_how_many_run_at_once(altered: ExecutorProcess) -> None:
    started = time.monotonic()
    status = altered.status
    assert status is not None
    assert status.capacity == 1

    code = "date +%s.%N; sleep 1; date +%s.%N"
    (first, second) = [altered.send(request(code)) for _ in range(2)]
    times = sorted(
        tuple(float(line) for line in run.finished().stdout.split()) for run in (first, second)
    )

    assert times[0][1] <= times[1][0]
    assert time.monotonic() - started >= 2


def test_pool_size_image_runtime_and_cpu_limit_are_those_of_its_containers(
    altered: ExecutorProcess,
) -> None:
    altered.rest(containers=2)
    for name in altered.containers:
        container = inspect(name)

        assert container["Config"]["Image"] == "code-sandbox:renamed"
        assert container["HostConfig"]["Runtime"] == "io.containerd.runc.v2"
        host = container["HostConfig"]
        assert host["CpuQuota"] / host["CpuPeriod"] == 0.25
        assert host["Memory"] == 180 * MIB


def test_cleanup_interval_is_how_soon_leftovers_go(altered: ExecutorProcess) -> None:
    left = create_container("code-sandbox:renamed", {OWNER_LABEL: altered.owner})
    assert inspect(left)

    eventually(lambda: len(altered.containers) == 2, "it is gone", timeout_s=10)
