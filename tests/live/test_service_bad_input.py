"""Bad requests to run something: the contract's status and words, and no trace in storage."""

import json
from typing import Any

import pytest

from tests.live.running_service_caller import Caller, StoredFile
from tests.live.running_service_refusals import error, refusal

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_is_stored")]

MIB = 1 << 20
UNKNOWN = "U" * 21
PROGRAM = {"lang": "py", "code": "open('left.txt', 'w').write('1')"}


@pytest.fixture(scope="module")
def notes(caller: Caller) -> StoredFile:
    return caller.upload("notes.txt", b"kept")


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b'{"lang": "py", "code": ', id="cut off"),
            pytest.param(b"lang=py&code=1", id="a form"),
            pytest.param(b"[1, 2]", id="an array"),
            pytest.param(b'"text"', id="a string"),
            pytest.param(b'{"lang": "py", "code": NaN}', id="not a number"),
            pytest.param(b'{"lang": "py", "code": "\xff"}', id="not UTF-8"),
            pytest.param(b'{"lang": "py", "code": "\\ud800"}', id="half a character"),
            pytest.param(b'{"lang": "py", "code": "1", "x": ' + b"[" * 100_000, id="depth"),
        ],
    )
    def test_what_is_no_object_is_refused(self, caller: Caller, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}

        refusal(caller.http.post("/exec", content=body, headers=headers), 400)

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({}, "Missing required field: lang"),
            ({"code": "1"}, "Missing required field: lang"),
            ({"lang": "py"}, "Missing required field: code"),
            ({"lang": None, "code": "1"}, "Missing required field: lang"),
            ({"lang": 1, "code": "1"}, "lang must be a string"),
            ({"lang": "py", "code": ["1"]}, "code must be a string"),
            ({"lang": "py", "code": 1}, "code must be a string"),
            ({"lang": "cobol", "code": "1"}, "Unsupported language: cobol"),
            ({"lang": "js2", "code": "1"}, "Unsupported language: js2"),
            (PROGRAM | {"args": {"a": 1}}, "args must be an array of strings"),
            (PROGRAM | {"args": ["a", 1]}, "args must be an array of strings"),
            (PROGRAM | {"files": {}}, "files must be an array"),
            (PROGRAM | {"files": "x"}, "files must be an array"),
            (PROGRAM | {"files": ["x"]}, "files[0] must be an object"),
        ],
    )
    def test_missing_and_wrong_fields_are_named(
        self, caller: Caller, body: dict[str, Any], text: str
    ) -> None:
        assert error(caller.http.post("/exec", json=body), 400) == text

    def test_arguments_that_no_program_can_be_given_are_refused(self, caller: Caller) -> None:
        for args in (["a\0b"], ["x"] * 257, ["x" * 40_000]):
            refusal(caller.http.post("/exec", json=PROGRAM | {"args": args}), 400)

    def test_ten_megabytes_of_code_are_too_many(self, caller: Caller) -> None:
        code = "#" + "x" * (10 * MIB)

        body = refusal(caller.http.post("/exec", json={"lang": "py", "code": code}), 413)

        assert body["error"] == "code is too large"
        assert "file" in body["message"]

    def test_a_body_over_fifty_megabytes_is_too_large(self, caller: Caller) -> None:
        body = json.dumps(PROGRAM | {"unknown": "x" * (51 * MIB)}).encode()

        refusal(caller.http.post("/exec", content=body), 413)


class TestReferences:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"id": "short"}, "files[0].id is invalid"),
            ({"id": "../" * 7}, "files[0].id is invalid"),
            ({"id": None}, "files[0].id is invalid"),
            ({"id": 7}, "files[0].id is invalid"),
            ({"storage_session_id": "x" * 22}, "files[0].storage_session_id is invalid"),
            ({"storage_session_id": None}, "files[0].storage_session_id is invalid"),
            ({"resource_id": "a b"}, "files[0].resource_id is invalid"),
            ({"name": 1}, "files[0].name must be a string"),
            ({"name": ""}, "files[].name must not be empty"),
            ({"name": "."}, "files[].name must not be empty"),
            ({"name": "x" * 257}, "files[].name must not exceed 256 characters"),
            ({"name": "a\0b"}, "files[].name contains invalid path characters"),
            ({"name": "a\\b"}, "files[].name contains invalid path characters"),
            ({"name": "/etc/passwd"}, "files[].name must be a relative path"),
            (
                {"name": "../x"},
                "files[].name must not contain empty, current, or parent path segments",
            ),
            (
                {"name": "a//b"},
                "files[].name must not contain empty, current, or parent path segments",
            ),
            (
                {"name": "a/./b"},
                "files[].name must not contain empty, current, or parent path segments",
            ),
            ({"name": "a\nb"}, "files[].name must be canonical and file-like"),
            (
                {"name": "/".join("abcdefghijk")},
                "files[].name exceeds maximum nesting depth of 10",
            ),
            ({"kind": "team"}, "files[0].kind must be one of: skill, agent, user"),
            ({"kind": "skill"}, "files[0].version is required for kind: 'skill'"),
            (
                {"kind": "user", "version": 1},
                "files[0].version is only valid for kind: 'skill'",
            ),
        ],
    )
    def test_a_bad_one_is_refused_in_the_contracts_words(
        self, caller: Caller, notes: StoredFile, changes: dict[str, Any], text: str
    ) -> None:
        files = [{**notes.reference, **changes}]

        assert error(caller.http.post("/exec", json=PROGRAM | {"files": files}), 400) == text

    def test_more_than_a_sandbox_takes_are_refused(
        self, caller: Caller, notes: StoredFile
    ) -> None:
        files = [notes.reference] * 256

        refusal(caller.http.post("/exec", json=PROGRAM | {"files": files}), 400)

    def test_two_for_one_place_are_refused(self, caller: Caller, notes: StoredFile) -> None:
        body = PROGRAM | {"files": [notes.reference, notes.reference]}

        assert refusal(caller.http.post("/exec", json=body), 400) == {
            "error": "bad_request",
            "message": 'files contains duplicate destination "notes.txt"',
        }

    @pytest.mark.parametrize("unknown", ["storage_session_id", "id"])
    def test_an_unknown_one_is_told_as_the_contract_says(
        self, caller: Caller, notes: StoredFile, unknown: str
    ) -> None:
        body = PROGRAM | {"files": [{**notes.reference, unknown: UNKNOWN}]}

        refused = refusal(caller.http.post("/exec", json=body), 422)

        assert refused["error"] == "session_input_unavailable"
