"""A Docker engine that can go away: a proxy on a unix socket, in front of the real one."""

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from tests.executor.docker_view import socket_path

PIECE_BYTES = 256 * 1024


class EngineProxy:
    """Passes bytes on while it is up; down, its socket is not there at all."""

    def __init__(self) -> None:
        # Not pytest's folder: the path of a socket has at most 108 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self._path = self._folder / "docker.sock"
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """For `DOCKER_HOST`."""
        return f"unix://{self._path}"

    def start(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        self._in_thread(self._accept, self._listener)

    def stop(self) -> None:
        """Break every connection, and take none any more."""
        self._path.unlink(missing_ok=True)
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        if self._listener is not None:
            sockets.add(self._listener)
            self._listener = None
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        for each in sockets:
            each.close()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _in_thread(self, target: object, *args: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(socket_path())
                with self._lock:
                    self._sockets |= {client, engine}
                self._in_thread(self._pump, client, engine)
                self._in_thread(self._pump, engine, client)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
