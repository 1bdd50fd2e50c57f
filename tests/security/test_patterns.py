"""Case 64: languages, filters and names as patterns and paths."""

import time
from typing import Any

import pytest

from tests.live.running_service_caller import Caller, StoredFile
from tests.live.running_service_refusals import refusal
from tests.security.wire import END, FORM, MIB

pytestmark = [pytest.mark.docker, pytest.mark.case(64)]

LONGEST_S = 5.0

LANGUAGES = (
    *("py; rm -rf /", "py\n", "py\0", " py", "../../x", "/bin/sh", "$(id)", "`id`", "py|sh"),
    *("__class__", "constructor", "__proto__", "py3", "py' --", "%s%n", "{0}", "python\u200b"),
    *("\u202eyp", "\uff50\uff59", "bash -c id", "cpp --version", "py/../../bin/sh", "-c"),
)
UNKNOWN = f"/files/{'A' * 21}"

PATTERNS = (
    "(a+)+$",
    "a" * 20_000 + "!",
    "%" * 20_000,
    " " * 20_000,
    "=" * 20_000,
    "a/" * 10_000,
)
"""Texts on which a careless pattern goes back and forth."""

FILENAMES = ('filename="', "filename*=utf-8''", '; filename="a" ', '"a', "\\", " ;", "=")


def in_time(caller: Caller, method: str, path: str, **more: Any) -> int:
    """Ask; return the status, which must come soon."""
    began_at = time.monotonic()
    status = caller.http.request(method, path, **more).status_code
    assert time.monotonic() - began_at < LONGEST_S
    return status


def test_a_language_is_one_of_the_table_or_none(attacker: Caller) -> None:
    for language in LANGUAGES:
        answer = attacker.http.post("/exec", json={"lang": language, "code": "print(1)"})
        assert refusal(answer, 400)["error"].startswith("Unsupported language: "), language


def test_no_text_of_a_request_is_slow_to_look_at(attacker: Caller) -> None:
    for field in ("lang", "args"):
        body = {"lang": "py", "code": "1", field: "a" * (10 * MIB)}
        assert in_time(attacker, "POST", "/exec", json=body) == 400
    for text in PATTERNS:
        for field in ("kind", "id", "version", "entity_id", "detail"):
            claim = {"kind": "skill", "id": "s", "version": "1", field: text}
            assert in_time(attacker, "GET", UNKNOWN, params=claim) in {400, 404}
        assert in_time(attacker, "GET", f"/{text}") == 404
        headers = {"X-CodeAPI-Expected-Profile": text.strip(), "User-Id": text.strip()}
        assert in_time(attacker, "GET", UNKNOWN, headers=headers) < 500
        reference = StoredFile("A" * 21, "A" * 21, "a").reference
        for field in reference:
            body = {"lang": "py", "code": "1", "files": [reference | {field: text}]}
            assert in_time(attacker, "POST", "/exec", json=body) in {400, 422}


def test_no_form_is_slow_to_look_at(attacker: Caller) -> None:
    for repeated in FILENAMES:
        name = repeated * (4_000 // len(repeated))
        head = f'--b\r\nContent-Disposition: form-data; name="a"; filename="{name}\r\n\r\n'
        body = head.encode() + b"1" + END
        assert in_time(attacker, "POST", "/upload", content=body, headers=FORM) < 500
        kind = f"multipart/form-data; {repeated * (30_000 // len(repeated))}".strip()
        headers = {"Content-Type": kind}
        assert in_time(attacker, "POST", "/upload", content=b"1", headers=headers) < 500
