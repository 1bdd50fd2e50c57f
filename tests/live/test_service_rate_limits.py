"""What clients may ask how often, in the running service."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

RATES = {
    "RATE_LIMIT_EXEC": "2/30s",
    "RATE_LIMIT_UPLOAD": "3/5m",
    "RATE_LIMIT_DOWNLOAD": "4/1m",
    "RATE_LIMIT_LIST": "5/1m",
}

BIG_BYTES = 50_000_000


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that allows little."""
    with running_service(tmp_path_factory.mktemp("thrifty") / "work", RATES) as service:
        yield service


@pytest.fixture
def caller(thrifty: RunningService, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """A client that nobody has counted yet."""
    with thrifty.caller() as caller:
        caller.http.headers["User-Id"] = request.node.name
        yield caller


def test_runs_are_as_many_as_it_was_told(caller: Caller) -> None:
    program = {"lang": "py", "code": "print(6 * 7)"}

    answers = [caller.http.post("/exec", json=program) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].json()["stdout"] == "42\n"
    assert answers[0].headers["RateLimit-Remaining"] == "1"
    refusal = answers[2].json()
    assert refusal["error"] == "rate_limited"
    assert 0 < refusal["retry_after_seconds"] <= 30
    assert answers[2].headers["Retry-After"] == str(refusal["retry_after_seconds"])
    assert answers[2].headers["X-CodeAPI-Execution-Profile"] == "default"


def test_uploads_are_as_many_as_it_was_told(caller: Caller) -> None:
    answers = [caller.http.post("/upload", files={"file": ("a.txt", b"a")}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["error"].startswith("Too many file uploads. Please retry in ")


def test_downloads_are_as_many_as_it_was_told(caller: Caller) -> None:
    path = caller.upload("a.txt", b"a").path

    answers = [caller.http.request(verb, path) for verb in ("GET", "HEAD", "GET", "HEAD")]
    refusal = caller.http.get(path)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert refusal.status_code == 429
    assert refusal.json()["error"].startswith("Too many file downloads. Please retry in ")
    assert caller.http.head(path).headers["Retry-After"] == refusal.headers["Retry-After"]


def test_listings_are_as_many_as_it_was_told(caller: Caller) -> None:
    path = f"/files/{caller.upload('a.txt', b'a').session_id}"

    answers = [caller.http.get(path, params={"detail": "summary"}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[5].json()["error"].startswith("Too many file list requests. Please retry")


class TestUploadThatIsRefused:
    @pytest.fixture(autouse=True)
    def _used_up(self, caller: Caller) -> None:
        """There is no room for one more."""
        for _ in range(3):
            caller.upload("a.txt", b"a")

    def test_a_client_that_sends_it_whole_gets_the_answer(self, caller: Caller) -> None:
        content = bytes(BIG_BYTES)

        answers = [
            caller.http.post("/upload", files={"file": ("a.bin", content)}) for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [429, 429]
        assert "retry_after_seconds" in answers[1].json()

    def test_one_that_reads_gets_it_before_it_has_sent_much(
        self, thrifty: RunningService, caller: Caller
    ) -> None:
        head = (
            "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
            f"X-API-Key: {caller.key}\r\nUser-Id: {caller.http.headers['User-Id']}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {BIG_BYTES}\r\n"
        )
        with socket.create_connection(("127.0.0.1", thrifty.port), timeout=30) as line:
            line.sendall(f"{head}\r\n".encode() + bytes(100_000))

            assert line.recv(12) == b"HTTP/1.1 429"

    def test_one_that_asks_first_is_told_not_to_send_it(
        self, thrifty: RunningService, caller: Caller
    ) -> None:
        head = (
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            f"X-API-Key: {caller.key}\r\nUser-Id: {caller.http.headers['User-Id']}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {BIG_BYTES}\r\n"
        )
        with socket.create_connection(("127.0.0.1", thrifty.port), timeout=30) as line:
            line.sendall(f"{head}\r\n".encode())

            assert line.recv(12) == b"HTTP/1.1 429"


def test_nobody_else_is_held_up(thrifty: RunningService, caller: Caller) -> None:
    program = {"lang": "py", "code": "print(1)"}
    answers = [caller.http.post("/exec", json=program) for _ in range(4)]
    assert answers[-1].status_code == httpx.codes.TOO_MANY_REQUESTS

    with thrifty.caller("second") as stranger:
        stranger.http.headers["User-Id"] = caller.http.headers["User-Id"]
        assert stranger.run("print(2)")["stdout"] == "2\n"
    caller.http.headers["User-Id"] = "somebody-else"
    assert caller.run("print(3)")["stdout"] == "3\n"


def test_files_and_health_are_served_while_the_broker_is_down(
    thrifty: RunningService, caller: Caller
) -> None:
    thrifty.kill("valkey-server")

    answers = [caller.http.get(f"/files/{'A' * 21}") for _ in range(3)]

    assert {answer.status_code for answer in answers} == {404}
