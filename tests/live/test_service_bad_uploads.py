"""Bad uploads: the contract's status and words, and no trace in storage."""

import httpx
import pytest

from tests.live.running_service_caller import Caller
from tests.live.running_service_refusals import error, refusal

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_is_stored")]

MIB = 1 << 20
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def post_part(caller: Caller, disposition: str, content: bytes) -> httpx.Response:
    """Send a form of one part, written by hand: the client would repair it."""
    head = f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return caller.http.post("/upload", content=head + content + b"\r\n--b--\r\n", headers=FORM)


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

    def test_a_batch_without_a_file_is_refused(self, caller: Caller) -> None:
        answer = caller.http.post("/upload/batch", files={"kind": (None, b"user")})

        assert error(answer, 400) == "No files provided"

    def test_a_batch_of_refused_files_is_refused(self, caller: Caller) -> None:
        parts = [("file", ("../a", b"1")), ("file", ("large.bin", bytes(50 * MIB + 1)))]

        answer = caller.http.post("/upload/batch", files=parts)

        assert answer.status_code == 400
        assert answer.json()["message"] == "error"
        assert [file["error"] for file in answer.json()["files"]] == [
            "files[].name must not contain empty, current, or parent path segments",
            "File size limit exceeded",
        ]

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
