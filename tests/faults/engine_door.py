"""The way to the container engine, as a door that can be shut."""

import contextlib
import socket
from pathlib import Path
from threading import Thread

from infra.local.engine import engine_address

PIECE_BYTES = 65_536


class EngineDoor:
    """A socket in front of the container engine that can be shut, as if the engine stopped."""

    def __init__(self, path: Path) -> None:
        kind, _, self._engine = engine_address().partition("://")
        assert kind == "unix", "these tests stand in front of a local engine"
        self._path = path
        self._listener: socket.socket | None = None
        self._lines: list[socket.socket] = []

    @property
    def address(self) -> str:
        """What `DOCKER_HOST` is to say."""
        return f"unix://{self._path}"

    def open(self) -> None:
        """Let connections through."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen()
        Thread(target=self._let_in, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """End every connection, and refuse new ones."""
        assert self._listener is not None
        self._path.unlink()
        for line in (self._listener, *self._lines):
            _hang_up(line)
        self._listener = None
        self._lines.clear()

    def _let_in(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # The door was shut.
                engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                engine.connect(self._engine)
                self._lines += (client, engine)
                for ends in ((client, engine), (engine, client)):
                    Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Hand over what comes, and the end of it: half-closed connections stay so."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
