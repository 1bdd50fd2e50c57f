"""The life of `./code-command up`, with users' files at stake."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.ports import is_free
from tests.faults.outages import recover, run_under_way
from tests.faults.small_disk import small_disk
from tests.live.running_service import RunningService, eventually

pytestmark = pytest.mark.docker

SECOND_START_S = 10
STOP_S = 30


@pytest.fixture
def service(fragile: RunningService) -> Iterator[RunningService]:
    recover(fragile)
    yield fragile
    recover(fragile)


def refusal(process: "subprocess.Popen[bytes]") -> str:
    """Return what an `up` said that could not start."""
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    return said.decode()


class TestKilled:
    def test_nothing_of_it_goes_on_and_the_next_one_has_every_file(
        self, service: RunningService, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with service.caller() as caller:
            notes = caller.upload("notes.txt", b"acknowledged")

        with run_under_way(service):
            service.end(signal.SIGKILL)

        eventually(lambda: not service.processes(), "no process is left", timeout_s=10)
        eventually(lambda: not service.containers(), "no container runs", timeout_s=10)
        took_s = service.start()
        if took_s >= SECOND_START_S:  # The machine may be busy with something else.
            service.end(signal.SIGTERM)
            took_s = service.start()
        with capsys.disabled():
            print(f" [a second `up` was ready after {took_s:.1f} s] ", end="")  # noqa: T201 - a figure to follow
        assert took_s < SECOND_START_S
        with service.caller() as caller:
            assert caller.download(notes) == b"acknowledged"


class TestSecondOne:
    def test_in_the_same_folder_it_is_told_who_runs_and_changes_nothing(
        self, service: RunningService
    ) -> None:
        said = refusal(service.launch_up(subprocess.PIPE))

        assert f"already running with {service.work_dir} (process {service.pid})" in said
        assert "CODE_WORK_DIR" in said

    def test_on_the_same_port_it_is_told_what_to_do(
        self, service: RunningService, tmp_path: Path
    ) -> None:
        elsewhere = {"CODE_WORK_DIR": str(tmp_path / "another")}

        said = refusal(service.launch_up(subprocess.PIPE, **elsewhere))

        assert f"port {service.port} on 127.0.0.1 cannot be had" in said
        assert "--port" in said


class TestFullDisk:
    def test_it_is_told_in_a_line_with_what_to_do(
        self, service: RunningService, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

        with small_disk(tmp_path / "disk", size_bytes=16_384) as disk:
            elsewhere = {"CODE_WORK_DIR": str(disk), "CODE_PORT": str(port)}
            said = refusal(service.launch_up(subprocess.PIPE, **elsewhere))

        assert "No space left on device. Make room" in said
        assert "Traceback" not in said


class TestStopped:
    def test_during_a_run_nothing_of_it_is_left(self, service: RunningService) -> None:
        with run_under_way(service):
            began_at = time.monotonic()
            assert service.end(signal.SIGTERM) == 0

        assert time.monotonic() - began_at < STOP_S
        assert service.processes() == []
        assert service.containers(ended=True) == set()
        assert is_free(service.port)
        service.start()
