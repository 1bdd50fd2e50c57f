"""Case 47: JSON that would cost more than it says, or that no two parsers read alike."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from select import select

import pytest

from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller
from tests.live.running_service_refusals import refusal
from tests.security.wire import (
    MIB,
    MOST_GROWTH_BYTES,
    RawLine,
    bounded_memory,
    resident_bytes,
)

pytestmark = [pytest.mark.docker, pytest.mark.case(47)]

BODY_BYTES = 28 * MIB

DEEP = 200_000
LONGEST_S = 5.0

JSON = {"Content-Type": "application/json"}
RUN = b'{"lang": "py", "code": "print(1)", "x": %b}'
CODE = b'{"lang": "py", "code": %b}'

REFUSED = {
    "arrays in arrays": RUN % (b"[" * DEEP + b"]" * DEEP),
    "objects in objects": RUN % (b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "arrays without end": b"[" * DEEP,
    "references in references": b'{"lang": "py", "code": "1", "files": ' + b"[" * DEEP,
    "no number": CODE % b"NaN",
    "no number elsewhere": RUN % b"NaN",
    "infinity": RUN % b"-Infinity",
    "a huge integer for code": CODE % (b"9" * MIB),
    "a huge integer in a reference": RUN % (b'1, "files": [{"version": ' + b"9" * MIB + b"}]"),
    "half a character": CODE % b'"\\ud800"',
    "two halves in the wrong order": CODE % b'"\\udc00\\ud800"',
    "half a character as a name": RUN % b'1, "files": [{"name": "\\udfff"}]',
    "no UTF-8": CODE % b'"\xff\xfe"',
    "UTF-16": '{"lang": "py", "code": "1"}'.encode("utf-16"),
    "a control character": CODE % b'"a\0b"',
    "more after the end": CODE % b'"1"' + b"{}",
    "a comment": CODE % b'"1" /* x */',
}
"""Bodies that are no JSON, or none of ours."""


def test_what_is_no_json_or_too_deep_is_a_400(target: RunningService, attacker: Caller) -> None:
    with bounded_memory(target):
        for what, body in REFUSED.items():
            began_at = time.monotonic()
            answer = attacker.http.post("/exec", content=body, headers=JSON)
            assert answer.status_code == 400, what
            assert len(refusal(answer, 400)["error"]) < 300
            assert time.monotonic() - began_at < LONGEST_S, what


def test_a_hundred_megabytes_are_refused_before_they_are_held(
    target: RunningService, attacker: Caller
) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"lang": "py", "code": "'
        yield from [b"#" * MIB] * 100
        yield b'"}'

    with bounded_memory(target):
        announced = attacker.http.post("/exec", content=b"".join(endless()), headers=JSON)
        refusal(announced, 413)
        refusal(attacker.http.post("/exec", content=endless(), headers=JSON), 413)


def test_millions_of_small_values_are_not_built(
    target: RunningService, attacker: Caller
) -> None:
    small = b"[" + b"[],{}," * (4 * MIB) + b"1]"
    with bounded_memory(target):
        assert attacker.http.post("/exec", content=RUN % small, headers=JSON).is_success
        as_files = b'{"lang": "py", "code": "1", "files": %b}' % small
        refusal(attacker.http.post("/exec", content=as_files, headers=JSON), 400)


def test_of_what_is_read_no_more_is_held_than_the_program(
    target: RunningService, attacker: Caller
) -> None:
    """Eight of 28 MiB are as many as a tenant may send at once: some run, the others wait."""
    sent: list[int] = []

    def body(number: int) -> Iterator[bytes]:
        yield b'{"lang": "py", "code": "import time; time.sleep(3)", "x": "'
        yield from [b"#" * MIB] * (BODY_BYTES // MIB)
        yield b'"}'
        sent.append(number)

    before = resident_bytes(target)
    with ThreadPoolExecutor(8) as elsewhere:
        pending = [
            elsewhere.submit(attacker.http.post, "/exec", content=body(number), headers=JSON)
            for number in range(8)
        ]
        eventually(lambda: len(sent) == len(pending), "all are sent")
        most_bytes = len(pending) * BODY_BYTES // 2  # The allocator gives not all of it back.
        eventually(
            lambda: resident_bytes(target) - before < most_bytes,
            "the bodies are let go of",
        )
        unanswered = [each for each in pending if not each.done()]
        assert len(unanswered) * BODY_BYTES > most_bytes, "it was the answers that freed them"

    assert {each.result().status_code for each in pending} == {200}


def test_bodies_that_never_end_are_limited_together(
    target: RunningService, attacker: Caller
) -> None:
    """Twenty connections with 40 MiB each, of which the last byte does not come."""
    length = f"Content-Length: {41 * MIB}"
    before = resident_bytes(target)
    lines = [RawLine(target, attacker) for _ in range(20)]
    for line in lines:
        line.begin("Content-Type: application/json", length, path="/exec")
        with suppress(ConnectionError):  # Refused on the way.
            line.socket.sendall(b'{"x": "' + b"#" * (40 * MIB))

    grown_bytes = resident_bytes(target) - before
    answered = [line for line in lines if select([line.socket], [], [], 0)[0]]

    # A refusal may be lost where more was on its way: the connection is closed then.
    assert {line.status() for line in answered} <= {429, 0}
    assert len(answered) >= 14
    assert grown_bytes < 256 * MIB + MOST_GROWTH_BYTES
    for line in lines:
        line.socket.close()


def test_of_two_fields_of_one_name_one_counts_and_is_checked(attacker: Caller) -> None:
    """A check in front that reads the other one must not be what keeps the service safe."""
    last_counts = b'{"lang": "bash", "code": "echo 1", "lang": "py", "code": "print(2)"}'
    answer = attacker.http.post("/exec", content=last_counts, headers=JSON)
    assert answer.json()["stdout"] == "2\n"

    own = attacker.upload("own.txt", b"1")
    bad = json.dumps(own.reference)[:-1] + ', "name": "../../up"}'
    body = RUN % f'1, "files": [{bad}]'.encode()
    refusal(attacker.http.post("/exec", content=body, headers=JSON), 400)


def test_numbers_of_any_size_are_numbers_where_they_mean_nothing(attacker: Caller) -> None:
    for number in (b"1e999", b"-1e-999", b"9" * 100_000, b"0." + b"1" * 100_000):
        answer = attacker.http.post("/exec", content=RUN % number, headers=JSON)
        assert answer.status_code < 500
