"""A container engine of the tests' own, which may be killed: everybody uses the other one.

Its image store is empty, and the sandbox image has 4 GB. So a small image is cut out of that:
the supervisor, Python's own library and bash, 60 MB, which takes a few seconds.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker  # noqa: TID251 - the engine itself is what is tested
from docker.errors import DockerException  # noqa: TID251 - as above

from infra.local.config import DEFAULT_SANDBOX_IMAGE
from infra.local.engine import connect, find_program
from tests.live.running_service import eventually

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 40
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
PR_GET_CHILD_SUBREAPER = 37

CUT_OUT = r"""
set -e
cd /
libraries() {
    for program in usr/bin/python3.13 usr/bin/bash usr/bin/ls \
        usr/lib/python3.13/lib-dynload/*.so; do ldd "$program"; done |
        grep -o '/[^ ]*' | sort -u | while read -r library; do
            # Not through /lib, which is a link to /usr/lib.
            echo "$(readlink -f "$(dirname "$library")")/$(basename "$library")"
            readlink -f "$library"
        done | cut -c 2- | sort -u
}
tar -cf - --exclude='*/site-packages/*' bin lib lib64 sbin workspace etc tmp mnt run/build \
    opt/python/bin opt/python/pyvenv.cfg opt/python/lib opt/code-command \
    usr/lib/locale usr/lib/python3.13 $(libraries) \
    usr/bin/python3* usr/bin/bash usr/bin/sh usr/bin/dash usr/bin/env \
    usr/bin/cat usr/bin/ls usr/bin/sleep usr/bin/head usr/bin/tee usr/bin/base64
"""
"""Run inside the sandbox image; symbolic links stay as they are."""


class OwnEngine:
    """One `dockerd`, its folders, and its address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """For `DOCKER_HOST`."""
        return f"unix://{self._folder / 'docker.sock'}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._launch()
        eventually(
            lambda: self._has_ended() or self._answers(),
            "the second engine answers",
            timeout_s=START_TIMEOUT_S,
        )
        assert not self._has_ended(), (self._folder / "log").read_text()[-2000:]

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _launch(self) -> None:
        settings = self._folder / "daemon.json"  # Not this machine's, for the other engine.
        settings.write_text("{}", encoding="utf-8")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (
                    find_program("dockerd") or "dockerd",
                    f"--config-file={settings}",
                    f"--data-root={self._folder / 'data'}",
                    f"--exec-root={self._folder / 'exec'}",
                    f"--pidfile={self._folder / 'pid'}",
                    f"--host={self.address}",
                    "--bridge=none",
                    "--iptables=false",
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for its end, and for that of its containerd."""
        assert self._process is not None
        containerd = int((self._folder / "exec/containerd/containerd.pid").read_text())
        self._process.send_signal(number)
        self._process.wait(STOP_TIMEOUT_S)
        with suppress(ChildProcessError):  # The engine itself has waited for it.
            os.waitpid(containerd, 0)

    def import_small_image(self) -> str:
        """Give it a small sandbox image; return the name."""
        usual = os.environ.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE
        with closing(connect()) as engine:
            config: Any = engine.images.get(usual).attrs["Config"]
        changes = [
            f"ENTRYPOINT {json.dumps(config['Entrypoint'])}",
            f"WORKDIR {config['WorkingDir']}",
            f"USER {config['User']}",
            *(f"ENV {variable}" for variable in config["Env"]),
            *(f'LABEL "{name}"="{value}"' for name, value in config["Labels"].items()),
        ]
        cut_out = ("docker", "run", "--rm", "--network=none", "--user=0", "--entrypoint=bash")
        take_in = ("docker", f"--host={self.address}", "import")
        options = [option for change in changes for option in ("--change", change)]
        with subprocess.Popen((*cut_out, usual, "-c", CUT_OUT), stdout=subprocess.PIPE) as tar:
            subprocess.run((*take_in, *options, "-", usual), stdin=tar.stdout, check=True)
        assert tar.returncode == 0
        return usual

    def put_away(self) -> None:
        """End it and its helpers, and remove all that it has."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)
        for pid in self._helpers():
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self._helpers(), "its helpers have ended")
        for mount in sorted(self._mounts(), reverse=True):
            subprocess.run(("umount", mount), check=True)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        try:
            with closing(docker.DockerClient(base_url=self.address, timeout=5)) as client:
                return bool(client.ping())
        except (DockerException, OSError):
            return False

    def _helpers(self) -> list[int]:
        """Those that were told of its folder: containerd, and a shim for each container."""
        mark = str(self._folder).encode()
        found: list[int] = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark in command.read_bytes():
                    found.append(int(command.parent.name))
            except OSError:
                continue  # It ended just now.
        return found

    def _mounts(self) -> list[str]:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        paths = [line.split()[1] for line in lines]
        return [path for path in paths if path.startswith(f"{self._folder}/")]


@contextmanager
def own_engine() -> Generator[OwnEngine, None, None]:
    """Run an engine with a small sandbox image until the block ends. Needs root."""
    # Not pytest's folder: the path of a socket has at most 108 bytes.
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="engine-")))
    try:
        with orphans_are_ours():
            engine.start()
            engine.import_small_image()
            yield engine
    finally:
        engine.put_away()


@contextmanager
def orphans_are_ours() -> Generator[None, None, None]:
    """Take in, as an init system would, what a killed process leaves behind, to wait for it.

    A containerd that nobody has waited for is a zombie, which dockerd takes for one that lives:
    "timeout waiting for containerd to start". Where PID 1 is no init, that never ends.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int()  # Several engines may be ours.
    assert libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0) == 0
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        assert libc.prctl(PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0) == 0
