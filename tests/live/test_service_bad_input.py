"""What bad input gets: the contract's status, an `error` in words, no trace in storage."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile

pytestmark = pytest.mark.docker

MIB = 1 << 20
UNKNOWN = "U" * 21
PROGRAM = {"lang": "py", "code": "open('left.txt', 'w').write('1')"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def notes(caller: Caller) -> StoredFile:
    return caller.upload("notes.txt", b"kept")


@pytest.fixture(autouse=True)
def _nothing_is_stored(
    service: RunningService,
    notes: StoredFile,  # noqa: ARG001 - stored before the count
) -> Iterator[None]:
    """As another client of the bucket sees it, after each of these tests."""
    before = service.stored()
    yield
    assert service.stored() == before


def refusal(answer: httpx.Response, status: int) -> Any:
    """Check the form that every refusal has; return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    body = answer.json()
    assert isinstance(body, dict)
    assert isinstance(body["error"], str)
    assert body["error"]
    assert all(isinstance(text, str) for text in body.values())
    assert "Traceback" not in answer.text
    assert "site-packages" not in answer.text
    return body


def error(answer: httpx.Response, status: int) -> str:
    return refusal(answer, status)["error"]


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
            ({"lang": "js", "code": "1"}, "Unsupported language: js"),
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


class TestUploads:
    @pytest.mark.parametrize(
        "name",
        [
            "../up.txt",
            "a/../../up.txt",
            "/etc/cron.d/x",
            "a//b",
            "a\\..\\b",
            "a/b/c/d/e/f/g/h/i/j/k",
        ],
    )
    @pytest.mark.parametrize("encoded", [False, True])
    def test_a_name_that_leads_elsewhere_is_refused(
        self, caller: Caller, name: str, *, encoded: bool
    ) -> None:
        shown = "".join(f"%{byte:02x}" for byte in name.encode()) if encoded else name
        disposition = f'form-data; name="file"; filename="{shown}"'

        refused = error(post_part(caller, disposition, b"1"), 400)

        assert refused.startswith("files[].name ")

    def test_so_is_one_in_the_extended_form(self, caller: Caller) -> None:
        disposition = 'form-data; name="file"; filename="a"; filename*=UTF-8\'\'..%2Fup.txt'

        refused = error(post_part(caller, disposition, b"1"), 400)

        assert refused.startswith("files[].name ")

    def test_a_form_without_a_file_is_refused(self, caller: Caller) -> None:
        answer = post_part(caller, 'form-data; name="kind"', b"user")

        assert error(answer, 400) == "No file provided"

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b"{}"),
            ("application/x-www-form-urlencoded", b"file=1"),
            ("multipart/form-data", b"--b\r\n"),
            ("", b""),
        ],
    )
    def test_what_is_no_form_is_refused(
        self, caller: Caller, content_type: str, body: bytes
    ) -> None:
        headers = {"Content-Type": content_type} if content_type else {}

        assert error(caller.http.post("/upload", content=body, headers=headers), 400) == (
            "Invalid content type. Must be multipart/form-data."
        )

    @pytest.mark.parametrize(
        "body", [b"", b"--b", b"--c\r\n\r\n--c--", b"--b\r\nX: 1\r\n\r\nx"]
    )
    def test_a_broken_form_is_refused(self, caller: Caller, body: bytes) -> None:
        refusal(caller.http.post("/upload", content=body, headers=FORM), 400)

    def test_a_file_that_is_too_large_is_refused_and_so_are_those_before_it(
        self, caller: Caller
    ) -> None:
        parts = [("file", ("small.txt", b"1")), ("file", ("large.bin", bytes(50 * MIB + 1)))]

        refused = refusal(caller.http.post("/upload", files=parts), 413)

        assert refused["error"] == "File size limit exceeded"

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"kind": "team"}, "kind must be one of: skill, agent, user"),
            ({"kind": "agent"}, "id is required for kind: 'agent'"),
            ({"kind": "skill", "id": "s1"}, "version is required for kind: 'skill'"),
            (
                {"kind": "skill", "id": "s1", "version": "one"},
                "version must be a number for kind: 'skill'",
            ),
            (
                {"kind": "user", "version": "1"},
                "version is only valid for kind: 'skill'",
            ),
        ],
    )
    def test_a_bad_owner_is_refused(
        self, caller: Caller, fields: dict[str, str], text: str
    ) -> None:
        answer = caller.http.post("/upload", data=fields, files={"file": ("a.txt", b"1")})

        assert error(answer, 400) == text


class TestIds:
    @pytest.mark.parametrize("bad", ["short", "x" * 22, "a" * 20 + "!", "%2e%2e"])
    def test_what_is_no_id_is_a_bad_request(
        self, caller: Caller, notes: StoredFile, bad: str
    ) -> None:
        for answer in (
            caller.http.get(f"/files/{bad}"),
            caller.http.get(f"/download/{bad}/{notes.id}"),
            caller.http.get(f"/download/{notes.session_id}/{bad}"),
            caller.http.delete(f"/sessions/{bad}"),
        ):
            assert error(answer, 400) == "Bad request"

    def test_a_path_that_climbs_is_no_route(self, caller: Caller, notes: StoredFile) -> None:
        url = f"/download/..%2f..%2f{notes.session_id}/{notes.id}"

        assert error(caller.http.get(url), 404) == "Not found"

    def test_an_unknown_session_is_not_found(self, caller: Caller, notes: StoredFile) -> None:
        assert error(caller.http.get(f"/files/{UNKNOWN}"), 404) == "Session not found"
        assert error(caller.http.delete(f"/sessions/{UNKNOWN}"), 404) == "Session not found"
        for path in (f"{UNKNOWN}/{notes.id}", f"{notes.session_id}/{UNKNOWN}"):
            assert refusal(caller.http.get(f"/download/{path}"), 404) == {
                "error": "File not found",
                "details": "The file may have expired or does not exist",
            }
            assert caller.http.head(f"/download/{path}").status_code == 404

    def test_an_unknown_route_or_method_is_told(self, caller: Caller) -> None:
        assert error(caller.http.get("/nowhere"), 404) == "Not found"
        assert error(caller.http.put("/exec"), 405) == "Method not allowed"


class TestKeys:
    @pytest.mark.parametrize(
        ("headers", "text"),
        [
            ({}, "API key is required"),
            ({"X-API-Key": ""}, "API key is required"),
            ({"Authorization": "Bearer x"}, "API key is required"),
            ({"X-API-Key": "wrong"}, "Invalid API key"),
            ({"X-API-Key": "code-command-dev-key"}, "Invalid API key"),
            ({"X-API-Key": "ü".encode().decode("latin-1")}, "Invalid API key"),
            ({"Authorization": "Basic !!"}, "Invalid API key"),
            ({"Authorization": "Basic d3Jvbmc="}, "Invalid API key"),
        ],
    )
    @pytest.mark.parametrize("path", ["/exec", "/upload", "/nowhere"])
    def test_without_a_right_one_nothing_is_told_apart(
        self, service: RunningService, path: str, headers: dict[str, str], text: str
    ) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

        answer = httpx.post(f"{service.address}{path}", headers=raw, json={}, trust_env=False)

        assert error(answer, 401) == text

    def test_a_key_that_is_nearly_right_is_wrong(self, caller: Caller) -> None:
        for key in (caller.key[:-1], f"{caller.key}0", caller.key[::-1], f"{caller.key},x"):
            answer = caller.http.post("/exec", json=PROGRAM, headers={"X-API-Key": key})
            assert error(answer, 401) == "Invalid API key"


def post_part(caller: Caller, disposition: str, content: bytes) -> httpx.Response:
    """Send a form of one part, written by hand: the client would repair it."""
    head = f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return caller.http.post("/upload", content=head + content + b"\r\n--b--\r\n", headers=FORM)
