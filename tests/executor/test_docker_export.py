"""What becomes of a question to an engine that goes away meanwhile."""

import socket
import threading
from collections.abc import Iterator

import pytest

from executor.docker_export import engine_images
from executor.sandbox import SandboxUnavailableError

VERSION = b'{"ApiVersion":"1.41","Version":"20.10.24"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(VERSION), VERSION)
)


@pytest.fixture
def leaving_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Says which version it is, and hangs up on whoever asks further."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            for answer in (ANSWER, b""):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield
        serving.join(timeout=10)


@pytest.mark.usefixtures("leaving_engine")
def test_an_engine_that_hangs_up_is_one_that_does_not_answer() -> None:
    with engine_images(owner="somebody") as images, pytest.raises(SandboxUnavailableError):
        images.find("code-sandbox:latest")
