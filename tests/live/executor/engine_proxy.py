"""A Docker engine that can go away: a proxy on a unix socket, in front of the real one.

It also notes what the engine is asked for.
"""

import contextlib
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from tests.executor.docker_view import socket_path

PIECE_BYTES = 256 * 1024

CALL = re.compile(rb"([A-Z]+) /v[0-9.]+(/\w+)(?:/[^/? ]+)?(/\w+)?[? ][^\r]*HTTP/1.1\r\n")
"""The first line of a request; what it is about is left out."""


class EngineProxy:
    """Passes bytes on while it is up; down, its socket is not there at all."""

    def __init__(self) -> None:
        # Not pytest's folder: the path of a socket has at most 108 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self._path = self._folder / "docker.sock"
        self._engine_path = socket_path()  # Now: later we may be where DOCKER_HOST points to.
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self.calls: list[str] = []
        """Such as `POST /containers/start`, in order."""

    @property
    def address(self) -> str:
        """For `DOCKER_HOST`."""
        return f"unix://{self._path}"

    def start(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen(64)
        self._listener = listener
        self._accepting = self._in_thread(self._accept, listener)

    def stop(self) -> None:
        """Break every connection, and take none any more."""
        if self._listener is None:
            return
        self._path.unlink()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # From here on no connection is added.
        self._listener.close()
        self._listener = None
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for pump in self._pumps:
            pump.join()
        for each in self._sockets:
            each.close()
        self._pumps.clear()
        self._sockets.clear()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @staticmethod
    def _in_thread(target: Callable[..., None], *args: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine_path)
                self._sockets += (client, engine)
                self._pumps.append(self._in_thread(self._pump, client, engine))
                self._pumps.append(self._in_thread(self._pump, engine, client))

    def _note(self, data: bytes) -> None:
        call = CALL.match(data)  # The client sends each head by itself.
        if call is not None:
            self.calls.append(
                f"{call[1].decode()} {call[2].decode()}{(call[3] or b'').decode()}"
            )

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                self._note(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
