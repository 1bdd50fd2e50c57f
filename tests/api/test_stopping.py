"""What clients are told while the server stops (librechat-contract 2.0)."""

import asyncio
import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from api.profile import PROFILE_HEADER
from api.stopping import UntilStopped
from tests.api.broker import Valkey, running_worker, taken
from tests.api.server_process import serving
from tests.api.service import KEY, Connection, Service, pieces

Process = subprocess.Popen[str]


@pytest.fixture
def worker(valkey: Valkey) -> Generator[None, None, None]:
    with running_worker(valkey, "one"):
        yield


@contextmanager
def running(valkey: Valkey, code: str) -> Generator[tuple[Process, Any], None, None]:
    """Ask a server for a run; give its process, and the connection, once the run has begun."""
    with (
        serving(BROKER_URL=valkey.url) as (process, port),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        connection.request("POST", "/exec", *request_for(code))
        taken(valkey, "begun")
        yield process, connection


def request_for(code: str) -> tuple[str, dict[str, str]]:
    return json.dumps({"lang": "py", "code": code}), {"X-API-Key": KEY}


def begin_to_stop(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert any("Shutting down" in line for line in process.stderr)


def says_that_it_stops(answer: http.client.HTTPResponse) -> bool:
    body = json.loads(answer.read())
    assert body["error"] == "Service is shutting down"
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers[PROFILE_HEADER] == "default"
    assert answer.headers["Connection"] == "close"
    return answer.status == 503


@pytest.mark.usefixtures("worker")
class TestARunInFlight:
    def test_one_that_takes_too_long_is_told_and_called_off(self, valkey: Valkey) -> None:
        with running(valkey, "wait") as (process, connection):
            process.send_signal(signal.SIGTERM)

            assert says_that_it_stops(connection.getresponse())

            assert taken(valkey, "cancelled")
            _, said = process.communicate(timeout=10)
            assert process.returncode == 0
            assert "Traceback" not in said

    def test_so_is_one_where_somebody_is_impatient(self, valkey: Valkey) -> None:
        with running(valkey, "wait") as (process, connection):
            begin_to_stop(process)
            process.send_signal(signal.SIGINT)

            assert says_that_it_stops(connection.getresponse())

            assert taken(valkey, "cancelled")
            assert process.wait(timeout=10) == 0

    def test_one_that_ends_in_time_is_answered_and_what_comes_after_it_is_not(
        self, valkey: Valkey
    ) -> None:
        with running(valkey, "wait for go") as (process, connection):
            body, headers = request_for("echo")
            connection.sock.sendall(written("POST", "/exec", body, headers))
            begin_to_stop(process)
            with closing(valkey.connect()) as client:
                client.rpush("go", "")

            first, second = answers_on(connection.sock)
            assert first.startswith("200 ")
            assert second.startswith("503 ")
            assert '"error": "Service is shutting down"' in second


def written(method: str, path: str, body: str, headers: dict[str, str]) -> bytes:
    """Write a request as it goes over a connection, whoever still waits for an answer there."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body]).encode()


def answers_on(connection: socket.socket) -> list[str]:
    with connection.makefile("rb") as file:
        return file.read().decode().split("HTTP/1.1 ")[1:]


@pytest.mark.anyio
class TestOtherwise:
    """Uvicorn is not the only one who cancels."""

    async def test_a_request_that_is_cancelled_for_another_reason_is_not_told_so(
        self, service: Service
    ) -> None:
        service.dispatcher.outcome = lambda _: asyncio.Event()
        connection = Connection(
            UntilStopped(service.app, is_stopping=lambda: False), "POST", "/exec"
        )
        asking = asyncio.create_task(connection.ask(pieces(b'{"lang": "py", "code": "1"}')))
        await service.dispatcher.began.wait()

        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        assert connection.sent == []

    async def test_an_answer_that_has_begun_is_broken_off(self) -> None:
        """A second one cannot follow: only the end of the connection tells the client."""
        begun, is_stopping = asyncio.Event(), False

        async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            begun.set()
            await asyncio.Event().wait()

        connection = Connection(
            UntilStopped(endless, is_stopping=lambda: is_stopping), "GET", "/"
        )
        asking = asyncio.create_task(connection.ask(pieces(b"")))
        await begun.wait()
        is_stopping = True

        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        assert [message["type"] for message in connection.sent] == ["http.response.start"]
