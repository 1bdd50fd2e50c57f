"""A real RabbitMQ, as Debian has it, in a folder and on ports of its own."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kombu import Connection, Exchange, Queue

from executor.messages import QUEUE_NAME
from infra.local.engine import find_program
from tests.live.running_service import free_port

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The one on the PATH is a wrapper that becomes another user first."""
USER = "tester"
VIRTUAL_HOSTS = ("shared", "own")
"""What is sent on one is not to be had on the other."""
DEFINITIONS = {
    "users": [{"name": USER, "password": USER, "tags": "administrator"}],
    "vhosts": [{"name": name} for name in VIRTUAL_HOSTS],
    "permissions": [
        {"user": USER, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}
        for name in VIRTUAL_HOSTS
    ],
}
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class RabbitMQ:
    """A server that can be stopped and started again, on the same ports and with its queues."""

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.url = f"amqp://{USER}:{USER}@127.0.0.1:{port}/"
        """Without a host of `VIRTUAL_HOSTS`."""
        self._log = folder / "log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers, in some 8 s."""
        with self._log.open("ab") as log:
            self._process = _launched((str(PROGRAM),), self._environment, log)
        _await(self.url + VIRTUAL_HOSTS[-1], self._process, self._log)

    def stop(self) -> None:
        """Return once it has ended."""
        if self._process is not None:
            _end(self._process)
            self._process = None


@contextmanager
def running_rabbitmq(folder: Path) -> Generator[str, None, None]:
    """Run it until the block ends; gives its URL, without a host of `VIRTUAL_HOSTS`."""
    with restartable_rabbitmq(folder) as rabbitmq:
        yield rabbitmq.url


@contextmanager
def restartable_rabbitmq(folder: Path) -> Generator[RabbitMQ, None, None]:
    """Run it until the block ends."""
    assert PROGRAM.exists(), "these tests need Debian's package rabbitmq-server"
    port, names_port = free_port(), free_port()
    environment = _environment(folder, port, names_port)
    # Erlang's register of names. It would start one itself, which nobody could end.
    epmd = (find_program("epmd") or "epmd", "-address", "127.0.0.1", "-port", str(names_port))
    with (folder / "log").open("ab") as log:
        names = _launched(epmd, environment, log)
    rabbitmq = RabbitMQ(folder, port, environment)
    try:
        rabbitmq.start()
        yield rabbitmq
    finally:
        rabbitmq.stop()
        _end(names)


def _launched(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(STOP_TIMEOUT_S)


def _environment(folder: Path, port: int, names_port: int) -> dict[str, str]:
    for name in ("data", "log-files"):
        (folder / name).mkdir(parents=True)
    (folder / "enabled_plugins").write_text("[].\n", encoding="ascii")
    (folder / "definitions.json").write_text(json.dumps(DEFINITIONS), encoding="ascii")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.local = 127.0.0.1:{port}\n"
        f"load_definitions = {folder / 'definitions.json'}\n",
        encoding="ascii",
    )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # Where Erlang keeps its cookie.
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"test-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log-files"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "ERL_EPMD_PORT": str(names_port),
    }


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while True:
        if _answers(url):
            return
        said = log.read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"it ended: {said}"
        assert time.monotonic() < give_up_at, f"it does not answer: {said}"
        time.sleep(0.1)  # A process that starts has no event to wait for.


def _answers(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except OSError:
        return False
    return True


def emptied(url: str) -> None:
    """Drop the runs that are queued: a test's, that nobody has taken."""
    with Connection(url) as connection, connection.channel() as channel:
        queue = Queue(QUEUE_NAME, Exchange(QUEUE_NAME), routing_key=QUEUE_NAME)(channel)
        queue.declare()
        queue.purge()
