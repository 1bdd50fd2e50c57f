"""Case 42: names that a program gives its files, in answers, listings, headers and logs."""

import re
from typing import Any
from urllib.parse import unquote

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files

pytestmark = [pytest.mark.docker, pytest.mark.runsc, pytest.mark.case(42)]

HARMLESS = [
    "-rf *",
    "--output=x",
    "CON",
    "NUL.txt",
    "...",
    " leading and trailing ",
    "semicolon;filename=evil.exe",
    'quote"; filename="evil.exe',
    "apostrophe'UTF-8''evil.exe",
    "percent%0d%0aX-Evil: 1",
    "percent%2e%2e%2fup",
    "<script>alert(1)</script>.html",
    "$(reboot)`id`",
    "{0.__class__}%s%n",
    "=cmd|' /C calc'!A0.csv",
    "n" * 255,
    "e\u0301.txt",
    "é.txt",
    "line\u2028separator",
    "wide\u3000space",
    "folder/..odd",
    "数据/🙂.txt",
]
"""Odd, and no more than names: they come back as they are."""

HARMFUL = [
    "line\nfeed",
    "carriage\r\nX-Evil: 1",
    "tab\there",
    "escape\x1b[2J",
    "delete\x7f",
    "next\x85line",
    "a\\..\\b",
    "exe\u202egnp.txt",
    "iso\u2066late",
    "/".join(["d" * 60] * 5),
    "/".join("abcdefghijk"),
]
RAW = [b"latin-\xe9.txt", b"\xff\xfe", b"half-\xed\xa0\x80"]
"""No UTF-8."""

MAKE = """
import os
for name in {names!r}:
    name = os.fsencode(name)
    if b'/' in name:
        os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, 'wb') as file:
        file.write(name)
for name in ('..', '.', '../x', '/mnt/x', 'nul' + chr(0)):
    try:
        open(name, 'w')
        print('made', repr(name))
    except (OSError, ValueError):
        pass
"""

EXT_VALUE = re.compile(
    r"attachment; filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+)"
)
"""RFC 6266 and 5987 to the letter, with the one parameter and nothing after it."""


def run(attacker: Caller, names: list[Any]) -> Any:
    answer = attacker.run(MAKE.format(names=names))
    assert (answer["code"], answer["stdout"]) == (0, "")
    return answer


def test_a_harmless_one_stays_what_it_is_in_every_answer(attacker: Caller) -> None:
    answer = run(attacker, HARMLESS)
    files = stored_files(answer)

    assert sorted(files) == sorted(HARMLESS)
    listing = attacker.http.get(f"/files/{answer['session_id']}?detail=full").json()
    assert {entry["metadata"]["original-filename"] for entry in listing} == set(HARMLESS)
    usual = attacker.http.get(files["CON"].path).headers.keys()
    for name, file in files.items():
        downloaded = attacker.http.get(file.path)
        assert downloaded.headers.keys() == usual, "no name is a header"
        disposition = EXT_VALUE.fullmatch(downloaded.headers["content-disposition"])
        assert disposition is not None
        assert unquote(disposition[1], errors="strict") == name
        assert downloaded.content == name.encode()


def test_a_harmful_one_is_skipped_and_told_without_harm(
    target: RunningService, attacker: Caller
) -> None:
    answer = run(attacker, [*HARMFUL, *RAW])

    assert answer["files"] == []
    told = answer["artifact_truncation"]
    assert told["reasons"] == ["path_too_long", "unsafe_name"]
    assert told["skipped_count"] == len(HARMFUL) + len(RAW)
    # The names are what stderr, the answer's only text for people, must not carry as they are.
    said = answer["stderr"].strip("\n")
    assert said.startswith(f"[sandbox] {told['skipped_count']} files were not kept: ")
    assert said.isprintable()
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", said)
    logs = target.log("api") + target.log("executor")
    assert "X-Evil" not in logs


def test_every_name_that_is_kept_can_be_an_input_again(attacker: Caller) -> None:
    files = stored_files(run(attacker, HARMLESS))

    answer = attacker.run("", *files.values())

    assert sorted(file["name"] for file in answer["files"]) == sorted(HARMLESS)
    assert all(file["inherited"] for file in answer["files"])
