"""Bytes as they are, and what they do to the API's memory."""

import re
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller

MIB = 1 << 20
MOST_GROWTH_BYTES = 80 * MIB
"""Of the API's memory by any of these attacks; most send several times as much."""

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
END = b"\r\n--b--\r\n"


class RawLine:
    """A connection on which bytes are sent as they are."""

    def __init__(self, target: RunningService, caller: Caller) -> None:
        self.socket = socket.create_connection(("127.0.0.1", target.port), timeout=20)
        self._key = caller.key

    def begin(self, *headers: str, path: str = "/upload") -> None:
        """Send the head of a request for an upload."""
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"X-API-Key: {self._key}", *headers]
        if not any(line.lower().startswith("content-type") for line in headers):
            lines.append(f"Content-Type: {FORM['Content-Type']}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def status(self) -> int:
        """Return the status of the answer, or 0 where the connection was closed."""
        with suppress(ConnectionError):
            if found := re.match(rb"HTTP/1.1 (\d+) ", self.socket.recv(65536)):
                return int(found[1])
        return 0


@contextmanager
def bounded_memory(target: RunningService) -> Generator[None, None, None]:
    """See that the API's largest size does not grow by more than it may."""
    before = _peak_bytes(target)
    yield
    assert _peak_bytes(target) - before < MOST_GROWTH_BYTES


def resident_bytes(target: RunningService) -> int:
    """Return how much memory the API has now."""
    return _status_bytes(target, "VmRSS")


def _peak_bytes(target: RunningService) -> int:
    return _status_bytes(target, "VmHWM")


def _status_bytes(target: RunningService, field: str) -> int:
    status = Path(f"/proc/{target.child('api')}/status").read_text()
    return 1024 * int(status.partition(f"{field}:")[2].split()[0])
