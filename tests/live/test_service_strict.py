"""`SANDBOX_STRICT`, with runtimes that say which version they are and are runc otherwise."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.config import CHECKOUT
from storage.configuration import VARIABLES
from tests.live.running_service import RunningService

pytestmark = pytest.mark.docker

OLD, MENDED = "1.1.11", "1.4.3"


def runtime(folder: Path, version: str) -> Path:
    """Return a runc that says it is of `version`."""
    program = folder / f"runc-{version}"
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && exec echo "runc version {version}"\n'
        f'exec {shutil.which("runc")} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def settings(folder: Path, version: str, *, strict: str = "true") -> dict[str, str]:
    return {
        "SANDBOX_ENGINE": "oci",
        "SANDBOX_RUNTIME": str(runtime(folder, version)),
        "SANDBOX_STRICT": strict,
        "SANDBOX_POOL_SIZE": "1",
        "CODE_EXECUTOR_ID": f"strict-{version}",
    }


class TestUp:
    def test_a_runtime_with_known_escapes_is_refused(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path / "work", settings(tmp_path, OLD))

        said, _ = (process := service.launch_up(subprocess.PIPE)).communicate(timeout=120)

        assert process.returncode == 1, said
        last = said.decode().rstrip().splitlines()[-1]
        assert last.startswith("error: SANDBOX_STRICT refuses a host with known escapes: runc")
        assert "CVE-2024-21626" in last
        assert "fixed upstream in 1.1.12; update it" in last
        assert service.processes() == []

    def test_without_it_they_are_named_and_programs_run(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path / "work", settings(tmp_path, OLD, strict=""))
        try:
            service.start()
            with service.caller() as caller:
                assert caller.run("print(6 * 7)")["stdout"] == "42\n"
            assert service.end(signal.SIGTERM) == 0
        finally:
            service.put_away()

        assert "note: known escapes: CVE-2024-21626" in service.output
        assert "known escape: runc 1.1.11: CVE-2024-21626" in service.log("executor")

    def test_a_runtime_without_any_passes(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path / "work", settings(tmp_path, MENDED))
        try:
            service.start()
            with service.caller() as caller:
                assert caller.run("print(6 * 7)")["stdout"] == "42\n"
            assert service.end(signal.SIGTERM) == 0
        finally:
            service.put_away()

        assert "known escape" not in service.output + service.log("executor")

    def test_a_runtime_that_the_engine_does_not_know_is_refused_and_the_way_is_told(
        self, tmp_path: Path
    ) -> None:
        service = RunningService(
            tmp_path / "work",
            {"SANDBOX_ENGINE": "docker", "SANDBOX_RUNTIME": "no-such-runtime"},
        )

        said, _ = (process := service.launch_up(subprocess.PIPE)).communicate(timeout=120)

        assert process.returncode == 1, said
        assert b"the Docker engine knows no 'no-such-runtime'" in said
        assert b"/etc/docker/daemon.json" in said
        assert b"systemctl reload docker" in said


class TestExecutorAlone:
    def test_it_ends_with_one_line_and_a_code_of_its_own(self, tmp_path: Path) -> None:
        done = subprocess.run(
            (sys.executable, "-P", "-m", "executor"),
            env={
                **{name: value for name, value in os.environ.items() if name not in VARIABLES},
                "PYTHONPATH": str(CHECKOUT),
                **settings(tmp_path, OLD),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert json.loads(line)["level"] == "error"
        assert "SANDBOX_STRICT refuses a host with known escapes: runc 1.1.11" in line
