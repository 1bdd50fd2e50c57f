"""Case 45: forms that lie, stall or never end."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from api.body import PACE_S
from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.wire import END, FORM, MIB, PART, RawLine, bounded_memory

pytestmark = [pytest.mark.docker, pytest.mark.case(45)]

PATHS = ("/upload", "/upload/batch")

LIES = (
    ("Content-Length: -1",),
    ("Content-Length: 1e3",),
    ("Content-Length: 5", "Content-Length: 50"),
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked, identity",),
)


@pytest.fixture
def line(target: RunningService, attacker: Caller) -> Iterator[RawLine]:
    line = RawLine(target, attacker)
    with line.socket:
        yield line


@pytest.fixture(scope="module", autouse=True)
def trickle(target: RunningService, attacker: Caller) -> Iterator[tuple[RawLine, float]]:
    """An upload begun before the other tests, whose time is its time, and when it was."""
    slow = RawLine(target, attacker)
    with slow.socket:
        slow.begin("Content-Length: 1000")
        slow.socket.sendall(PART % b"slow.txt")
        yield slow, time.monotonic()


class TestForms:
    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=b",
        ],
    )
    def test_one_without_a_boundary_is_refused(
        self, attacker: Caller, content_type: str
    ) -> None:
        body = PART % b"a.txt" + b"1" + END
        for path in ("/upload", "/upload/batch"):
            answer = attacker.http.post(
                path, content=body, headers={"Content-Type": content_type}
            )
            assert answer.status_code == 400

    @pytest.mark.parametrize("path", ["/upload", "/upload/batch"])
    def test_ten_thousand_parts_are_refused(
        self, target: RunningService, attacker: Caller, path: str
    ) -> None:
        before = target.stored()
        body = b"".join(b"\r\n" + PART % b"%d" % number for number in range(10_000))[2:] + END
        with bounded_memory(target):
            answer = attacker.http.post(path, content=body, headers=FORM)

        assert answer.status_code == 413
        assert target.stored() == before

    def test_headers_of_parts_without_end_are_refused(
        self, target: RunningService, attacker: Caller
    ) -> None:
        def endless() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="'
            yield from [b"a" * MIB] * 200

        with bounded_memory(target), suppress(httpx.NetworkError):
            assert attacker.http.post("/upload", content=endless(), headers=FORM).is_error

    def test_fields_without_a_name_or_of_megabytes_do_no_harm(
        self, target: RunningService, attacker: Caller
    ) -> None:
        nameless = b"--b\r\nContent-Disposition: form-data\r\n\r\nx" + END
        bare = b"--b\r\n\r\nx" + END
        large = b'--b\r\nContent-Disposition: form-data; name="kind"\r\n\r\n' + bytes(40 * MIB)
        with bounded_memory(target):
            for body in (nameless, bare, large + END):
                answer = attacker.http.post("/upload", content=body, headers=FORM)
                assert answer.status_code < 500

    def test_a_length_that_can_be_read_two_ways_is_refused(
        self, target: RunningService, attacker: Caller
    ) -> None:
        """What is one request for a proxy and two for the server smuggles the second one in."""
        for lengths in LIES:
            line = RawLine(target, attacker)
            with line.socket:
                line.begin(*lengths)
                with suppress(ConnectionError):
                    line.socket.sendall(PART % b"a.txt" + b"1" + END)

                assert line.status() == 400

    def test_a_length_beyond_any_limit_is_refused_at_once(self, line: RawLine) -> None:
        line.begin("Content-Length: 9223372036854775000")

        assert line.status() == 413

    def test_what_is_longer_than_announced_is_no_part_of_the_upload(
        self, target: RunningService, line: RawLine
    ) -> None:
        before = target.stored()
        body = PART % b"a.txt" + b"1" + END
        line.begin(f"Content-Length: {len(body) - 4}")
        line.socket.sendall(body)

        assert line.status() in {0, 400}
        assert target.stored() == before

    def test_what_ends_early_leaves_nothing(
        self, target: RunningService, line: RawLine
    ) -> None:
        before = target.stored()
        line.begin("Content-Length: 1000000")
        line.socket.sendall(PART % b"a.txt" + b"1" * 300_000)
        line.socket.shutdown(socket.SHUT_WR)

        assert line.status() in {0, 400}
        assert target.stored() == before

    def test_heads_without_end_are_refused_before_anybody_has_shown_a_key(
        self, target: RunningService, line: RawLine
    ) -> None:
        with bounded_memory(target), suppress(ConnectionError):
            line.socket.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\n")
            line.socket.sendall(b"X: " + b"a" * 65_000 + b"\r\n")
            for _ in range(3_000):
                line.socket.sendall(b"X: " + b"a" * 65_000 + b"\r\n")

        assert line.status() in {0, 431}


def test_an_upload_that_trickles_is_ended_and_holds_nobody_up(
    attacker: Caller, trickle: tuple[RawLine, float]
) -> None:
    line, begun_at = trickle
    line.socket.settimeout(1)  # A byte a second.
    give_up_at = max(time.monotonic(), begun_at + PACE_S) + 10
    while time.monotonic() < give_up_at:
        with suppress(TimeoutError):
            status = line.status()
            break
        with suppress(ConnectionError):
            line.socket.sendall(b"x")
    else:
        pytest.fail("it is still open")

    assert status == 504
    assert attacker.upload("other.txt", b"1").name == "other.txt"
