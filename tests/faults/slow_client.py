"""A client that sends one byte a second."""

import socket
import threading
from dataclasses import dataclass, field

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller

BOUNDARY = "trickle"
PART_HEAD = (
    f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=file; filename=slow.txt\r\n\r\n"
)


@dataclass
class TricklingUpload:
    """An upload of a megabyte, announced at once and sent byte by byte until it is answered."""

    service: RunningService
    caller: Caller
    answer: bytes = b""
    _thread: threading.Thread = field(init=False)

    def begin(self) -> None:
        """Send on, in a thread, once a second."""
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def answered(self, timeout_s: float) -> bytes:
        """Wait for the answer."""
        self._thread.join(timeout_s)
        return self.answer

    def _send(self) -> None:
        head = (
            f"POST /upload HTTP/1.1\r\nHost: here\r\nX-API-Key: {self.caller.key}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {1 << 20}\r\n\r\n{PART_HEAD}"
        )
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=1) as line:
            line.sendall(head.encode())
            while not self.answer:
                line.sendall(b"x")
                try:
                    self.answer = line.recv(65_536)
                except TimeoutError:
                    continue  # A second has passed.
            while not self.answer.endswith(b"}"):
                self.answer += line.recv(65_536)
