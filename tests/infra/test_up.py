"""`up` as people meet it: started as a process of its own, with everything real."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.config import CHECKOUT, load_config
from infra.local.console import Console
from infra.local.errors import AlreadyRunningError, BadSettingError
from infra.local.ports import is_free
from infra.local.up import up
from infra.local.work_dir import WorkDir, held, open_work_dir
from tests.executor import docker_view, oci_view

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60

PROGRAM = """\
import os, sys
from infra.local.config import load_config
from infra.local.console import Console
from infra.local.errors import LocalError
from infra.local.up import up
try:
    sys.exit(up(load_config(os.environ), Console()))
except LocalError as fault:
    sys.exit(f"error: {fault}")
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Installation:
    """One work folder, and the `up` that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.work_dir = WorkDir(folder / "work")
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.said = ""
        self._started: list[subprocess.Popen[str]] = []

    def start(self, **settings: str) -> None:
        """Start, and wait for the last line of the introduction."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "CODE_WORK_DIR": str(self.work_dir.path),
            "CODE_PORT": str(self.port),
            "SANDBOX_POOL_SIZE": "1",
            **settings,
        }
        self.process = subprocess.Popen(
            (sys.executable, "-P", "-c", PROGRAM),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(self.process)
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                return
        pytest.fail(f"it ended before it was ready:\n{self.said}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        self.said += self.process.communicate(timeout=STOP_TIMEOUT_S)[0]
        return self.process.returncode

    def close(self) -> None:
        """Stop whatever a failed test left, and let go of the pipe."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=STOP_TIMEOUT_S)

    def client(self) -> httpx.Client:
        key = (self.work_dir.secrets / "api-key").read_text(encoding="ascii").strip()
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"X-API-Key": key},
            timeout=30,
            trust_env=False,
        )

    def sandboxes(self) -> set[str]:
        """Return names of what the executor's engine has made, whichever engine that is."""
        owner = self.work_dir.executor_id()
        return docker_view.containers_of(owner) | oci_view.boxes_of(owner)

    def processes(self) -> list[int]:
        """Whoever was told of this work folder, apart from `up` itself."""
        mark = f"CODE_WORK_DIR={self.work_dir.path}".encode()
        servers = str(self.work_dir.path).encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                told = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes()
            except OSError:  # Gone, or none of ours.
                continue
            is_ours = mark in told or servers in command
            if is_ours and int(folder.name) not in {os.getpid(), self._pid()}:
                found.append(int(folder.name))
        return found

    def _pid(self) -> int | None:
        return self.process.pid if self.process else None


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.close()


def eventually(condition: Callable[[], bool], *, timeout_s: float = 30) -> bool:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.docker
class TestLife:
    def test_the_request_that_it_prints_works_and_ctrl_c_leaves_nothing_behind(
        self, installation: Installation
    ) -> None:
        installation.start()
        printed = re.search(r"^  curl .*?\}'$", installation.said, re.DOTALL | re.MULTILINE)
        assert printed is not None

        done = subprocess.run(
            ("sh", "-c", printed[0]), capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["stdout"] == "42\n"
        assert installation.sandboxes()
        assert installation.processes()

        assert installation.end(signal.SIGINT) == 0

        assert installation.sandboxes() == set()
        assert installation.processes() == []
        assert is_free(installation.port)

    def test_data_survive_a_kill_and_the_next_start_is_quick_and_cleans_up(
        self, installation: Installation
    ) -> None:
        installation.start()
        with installation.client() as client:
            answer = client.post("/upload", files={"file": ("a.txt", b"kept")})
            assert answer.status_code == 200, answer.text
            uploaded = answer.json()
        path = f"/download/{uploaded['session_id']}/{uploaded['files'][0]['fileId']}"
        left = installation.sandboxes()

        installation.end(signal.SIGKILL)
        assert eventually(lambda: not installation.processes())
        installation.start()

        with installation.client() as client:
            assert client.get(path).content == b"kept"
        assert eventually(lambda: not left & installation.sandboxes())
        assert installation.end(signal.SIGTERM) == 0
        assert installation.sandboxes() == set()

    def test_what_dies_is_started_again_and_the_service_recovers(
        self, installation: Installation
    ) -> None:
        installation.start()
        for pid in installation.processes():
            os.kill(pid, signal.SIGKILL)

        def runs() -> bool:
            try:
                with installation.client() as client:
                    program = {"lang": "py", "code": "print(6 * 7)"}
                    return client.post("/exec", json=program).json().get("stdout") == "42\n"
            except httpx.HTTPError:
                return False

        assert eventually(runs, timeout_s=60)

    def test_a_bad_setting_is_told_at_the_start_and_everything_is_stopped(
        self, installation: Installation
    ) -> None:
        with pytest.raises(pytest.fail.Exception) as caught:
            installation.start(CPU_LIMIT="half")

        assert "CPU_LIMIT" in str(caught.value)
        assert installation.process is not None
        assert installation.process.wait(timeout=STOP_TIMEOUT_S) == 1
        assert installation.processes() == []


class TestRefusals:
    def test_a_taken_port_is_told_before_anything_is_started(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            config = load_config({"CODE_WORK_DIR": str(tmp_path / "work")}, port=port)

            with pytest.raises(BadSettingError, match=f"port {port}"):
                up(config, Console(quiet=True))

        assert list((tmp_path / "work" / "logs").iterdir()) == []

    def test_a_second_one_on_the_same_folder_is_told_of_the_first(self, tmp_path: Path) -> None:
        config = load_config({"CODE_WORK_DIR": str(tmp_path / "work")}, port=free_port())

        with (
            held(open_work_dir(config.work_dir)),
            pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
        ):
            up(config, Console(quiet=True))
