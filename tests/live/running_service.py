"""The whole service for tests: the real `up`, started as people do, and asked over HTTP."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import httpx
from minio import Minio

from infra.local.config import CHECKOUT
from infra.local.engine import OWNER_LABEL, connect
from storage.configuration import VARIABLES
from tests.live.running_service_caller import Caller

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
STILL_LOOKS = 5
"""So many looks in a row that see the same: 0.2 s, four times what removing is put off."""

LAST_LINE = "Ctrl-C stops it."
"""What `up` prints once everything is ready."""

TENANTS = ("first", "second")

DEFAULTS = {
    # The engine that an independent client can be asked about; see test_service_oci.py.
    "SANDBOX_ENGINE": "docker",
    "SANDBOX_POOL_SIZE": "2",
    # Every test of a folder is the same caller.
    "RATE_LIMIT_EXEC": "off",
    "RATE_LIMIT_UPLOAD": "off",
    "RATE_LIMIT_DOWNLOAD": "off",
    "RATE_LIMIT_LIST": "off",
}


class ServiceError(Exception):
    """The service did not start; the message ends with what it said."""


class RunningService:
    """One work folder, and the `up` that runs on it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.work_dir = folder
        self.port = free_port()
        self.keys = {tenant: secrets.token_hex(20) for tenant in TENANTS}
        self.settings = {
            **DEFAULTS,
            # As many as always wait, so that a test can count them.
            "SANDBOX_POOL_MAX": settings.get(
                "SANDBOX_POOL_SIZE", DEFAULTS["SANDBOX_POOL_SIZE"]
            ),
            "CODE_API_KEYS": ",".join(f"{name}={key}" for name, key in self.keys.items()),
            "CODE_PORT": str(self.port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the API is."""
        return f"http://{self.settings.get('CODE_HOST', '127.0.0.1')}:{self.port}"

    @property
    def output_path(self) -> Path:
        """Where everything that `up` prints goes."""
        return self.work_dir.with_name(f"{self.work_dir.name}.out")

    @property
    def output(self) -> str:
        """What the last `up` has printed so far."""
        return self.output_path.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Of `up`."""
        assert self._process is not None
        return self._process.pid

    @property
    def pool_size(self) -> int:
        """How many sandboxes wait when nothing runs."""
        return int(self.settings["SANDBOX_POOL_SIZE"])

    def start(self) -> float:
        """Start `up`, wait until it is ready, and return how many seconds that took.

        Raises:
            ServiceError: It ended instead, or takes too long.
        """
        began_at = time.monotonic()
        with self.output_path.open("wb") as output:
            self._process = self.launch_up(output)
        while LAST_LINE not in self.output:
            if self._process.poll() is not None:
                raise ServiceError(f"it ended:\n{self.output}")
            if time.monotonic() - began_at > START_TIMEOUT_S:
                raise ServiceError(f"it is not ready:\n{self.output}")
            time.sleep(POLL_INTERVAL_S)
        took_s = time.monotonic() - began_at
        with self.caller() as caller:
            assert caller.http.get("/health").status_code == httpx.codes.OK
        return took_s

    def launch_up(self, output: IO[bytes] | int, **more: str) -> "subprocess.Popen[bytes]":
        """Start an `up` with our settings and `more`, and wait for nothing."""
        return subprocess.Popen(
            (sys.executable, "-P", "-m", "infra.local", "up"),
            cwd=self.work_dir.parent,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What our processes are told: nothing of the developer's own settings.

        An empty variable counts as unset, but keeps a `.env` in the checkout from setting it.
        """
        return {
            **os.environ,
            **dict.fromkeys(VARIABLES, ""),
            "SANDBOX_IMAGE": os.environ.get("SANDBOX_IMAGE", ""),
            "SANDBOX_RUNTIME": os.environ.get("SECURITY_RUNTIME", ""),
            "PYTHONPATH": str(CHECKOUT),
            "CODE_WORK_DIR": str(self.work_dir),
            **self.settings,
        }

    def end(self, number: signal.Signals) -> int:
        """Send `up` a signal; return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def put_away(self) -> None:
        """End whatever a failed test left."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        with closing(connect()) as engine:
            for container in self.containers(ended=True):
                engine.api.remove_container(container, force=True)
            for volume in engine.volumes.list(filters={"label": self._label}):
                volume.remove()

    def child(self, name: str) -> int | None:
        """Return the process id of a child of `up`: `api`, `executor`, `weed`, `valkey-server`.

        `None` while there is none, as between its end and its next start.
        """
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            for pid in (task / "children").read_text(encoding="ascii").split():
                if _program(Path(f"/proc/{pid}")) == name:
                    return int(pid)
        return None

    def kill(self, name: str) -> None:
        """Kill a child of `up` without giving it time to tidy up."""
        pid = self.child(name)
        assert pid is not None, f"there is no {name}"
        os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return whoever was told of this work folder, apart from `up` itself."""
        mark = f"CODE_WORK_DIR={self.work_dir}".encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                told = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes()
                where = (folder / "cwd").readlink()
            except OSError:
                continue  # It is gone, or somebody else's.
            is_ours = mark in told or str(self.work_dir).encode() in command
            if is_ours or where.is_relative_to(self.work_dir):
                found.append(int(folder.name))
        return [pid for pid in found if self._process is None or pid != self.pid]

    def containers(self, *, ended: bool = False) -> set[str]:
        """Return the ids of our containers that run, and if asked of those that do not."""
        with closing(connect()) as engine:
            found = engine.api.containers(all=ended, quiet=True, filters={"label": self._label})
        return {container["Id"] for container in found}

    def states(self) -> set[str]:
        """Return what our containers do: `running`, `paused`."""
        with closing(connect()) as engine:
            found = engine.api.containers(all=True, filters={"label": self._label})
        return {container["State"] for container in found}

    @property
    def executor_id(self) -> str:
        """What its executor is called."""
        path = self.work_dir / "executor-id"
        made = path.read_text(encoding="ascii").strip() if path.exists() else "nobody"
        return self.settings.get("CODE_EXECUTOR_ID", made)

    @property
    def _label(self) -> str:
        """What is on everything of ours that the engine has."""
        return f"{OWNER_LABEL}={self.executor_id}"

    def rest(self) -> None:
        """Wait until nothing runs and the pool is full, and stays as it is.

        At one look it may be so by chance: a used sandbox is removed a moment later.
        """
        looks: deque[frozenset[str]] = deque(maxlen=STILL_LOOKS)

        def is_still() -> bool:
            looks.append(frozenset(self.containers(ended=True)))
            has_rested = len(looks) == STILL_LOOKS and len(set(looks)) == 1
            return has_rested and looks[0] == frozenset(self.containers())

        eventually(
            lambda: is_still() and len(looks[0]) == self.pool_size,
            "the pool is full and what was used is gone",
        )

    def caller(self, tenant: str = TENANTS[0]) -> Caller:
        """Return a client of one tenant; to be closed."""
        return Caller(self.address, self.keys[tenant])

    def read_object(self, key: str) -> bytes:
        """Return what the bucket has under a key."""
        answer = self.bucket.get_object(self.bucket_name, key)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def write_object(self, key: str, content: bytes) -> None:
        """Put something into the bucket behind the service's back."""
        self.bucket.put_object(self.bucket_name, key, BytesIO(content), len(content))

    @property
    def bucket(self) -> Minio:
        """A client of the object store that is none of our code, with the service's keys."""
        if endpoint := self.settings.get("S3_ENDPOINT_URL"):
            return Minio(
                endpoint.removeprefix("http://"),
                access_key=self.settings["S3_ACCESS_KEY_ID"],
                secret_key=self.settings["S3_SECRET_ACCESS_KEY"],
                secure=False,
            )
        ports = json.loads((self.work_dir / "ports.json").read_text(encoding="utf-8"))
        secret = (self.work_dir / "secrets" / "s3-app").read_text(encoding="ascii").strip()
        return Minio(
            f"127.0.0.1:{ports['s3']}",
            access_key="code-command",
            secret_key=secret,
            secure=False,
        )

    @property
    def bucket_name(self) -> str:
        """What the service's bucket is called."""
        return self.settings.get("S3_BUCKET", "code-command")

    def stored(self) -> set[str]:
        """Return the key of every object in the bucket."""
        found = self.bucket.list_objects(self.bucket_name, recursive=True)
        return {str(item.object_name) for item in found}

    def log(self, name: str) -> str:
        """Return what a process has written: `api`, `executor`, `storage` or `broker`."""
        return (self.work_dir / "logs" / f"{name}.log").read_text(encoding="utf-8")


@contextmanager
def running_service(
    folder: Path, settings: Mapping[str, str] | None = None
) -> Generator[RunningService, None, None]:
    """Run the service on `folder`; afterwards stop it, and see that nothing of it is left."""
    service = RunningService(folder, settings or {})
    try:
        service.start()
        yield service
        assert service.end(signal.SIGTERM) == 0, service.output
        assert service.processes() == []
        assert service.containers(ended=True) == set()
    finally:
        service.put_away()


def eventually(
    condition: Callable[[], Any], what: str = "the condition holds", *, timeout_s: float = 30
) -> None:
    """Wait until `condition` holds; fail after `timeout_s`."""
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at, f"after {timeout_s} s it is not so that {what}"
        time.sleep(POLL_INTERVAL_S)


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _program(process: Path) -> str:
    """Name what a process runs: a module of Python's, or the program."""
    try:
        argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if "-m" in argv:
        return argv[argv.index("-m") + 1]
    return Path(argv[0].split(" ")[0]).name
