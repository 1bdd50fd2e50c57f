"""What `POST /upload` takes and keeps (librechat-contract 2.3)."""

from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.scopes import read_scope
from storage.ids import is_id
from storage.records import FileEntry, Scope, SessionRecord
from tests.api.service import (
    FORM,
    TENANT,
    Service,
    field_part,
    file_part,
    make_client,
    make_service,
    make_settings,
    multipart,
)

Client = TestClient[Litestar]


def post(client: Client, *parts: str | bytes) -> Any:
    return client.post("/upload", content=multipart(*parts), headers=FORM)


def saved(service: Service, answer: Any) -> SessionRecord:
    return anyio.run(service.sessions.load, TENANT, answer.json()["session_id"])


def content(service: Service, entry: FileEntry) -> bytes:
    async def read() -> bytes:
        async with service.sessions.open_file(TENANT, entry) as opened:
            return b"".join([chunk async for chunk in opened.chunks])

    return anyio.run(read)


class TestKeeping:
    def test_the_answer_has_the_keys_of_every_client(self, client: Client) -> None:
        """Traps 1, 10, 11 and 12."""
        answer = client.post("/upload", files={"file": ("reports/q1/data.csv", b"a,b\n")})

        assert answer.status_code == 200
        body = answer.json()
        assert body["message"] == "success"
        assert body["session_id"] == body["storage_session_id"]
        (file,) = body["files"]
        assert file.keys() == {"filename", "fileId"}
        assert file["filename"] == "reports/q1/data.csv"
        assert is_id(body["session_id"])
        assert is_id(file["fileId"])

    @pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_003])
    def test_bytes_come_out_as_they_went_in(
        self, client: Client, service: Service, size: int
    ) -> None:
        body = bytes(number % 251 for number in range(size))

        answer = client.post("/upload", files={"file": ("x.bin", body)})

        (entry,) = saved(service, answer).files
        assert content(service, entry) == body
        assert entry.size_bytes == size

    def test_several_files_make_one_session(self, client: Client, service: Service) -> None:
        answer = post(
            client,
            file_part("a.txt", "A"),
            file_part("b.txt", "B", field_name="files"),
            file_part("c.txt", "C", field_name="anything"),
        )

        entries = saved(service, answer).files
        assert [entry.name for entry in entries] == ["a.txt", "b.txt", "c.txt"]
        assert [content(service, entry) for entry in entries] == [b"A", b"B", b"C"]

    def test_every_upload_is_a_new_session(self, client: Client) -> None:
        ids = {post(client, file_part("a")).json()["session_id"] for _ in range(3)}

        assert len(ids) == 3

    def test_the_record_says_who_made_it(self, client: Client, service: Service) -> None:
        answer = client.post(
            "/upload", content=multipart(file_part("a")), headers={**FORM, "User-Id": "64b0"}
        )

        record = saved(service, answer)
        assert record.user == "64b0"
        assert record.origin == "upload"


class TestFields:
    FIELDS = (
        field_part("kind", "skill"),
        field_part("id", "skill-7"),
        field_part("version", "3"),
        field_part("read_only", "true"),
        field_part("unknown", "x" * 5_000),
    )

    def test_their_place_does_not_matter(self, client: Client, service: Service) -> None:
        """Trap 13."""
        before = saved(service, post(client, *self.FIELDS, file_part("a"), file_part("b")))
        after = saved(service, post(client, file_part("a"), file_part("b"), *self.FIELDS))

        assert before.scope == Scope(kind="skill", id="skill-7", version=3)
        assert after.scope == before.scope
        for record in (before, after):
            assert [entry.read_only for entry in record.files] == [True, True]

    def test_without_any_it_is_the_users_own(self, client: Client, service: Service) -> None:
        record = saved(service, post(client, file_part("a")))

        assert record.scope == Scope(kind="user")
        assert not record.files[0].read_only

    @pytest.mark.parametrize("text", ["false", "1", "yes", ""])
    def test_only_true_means_read_only(
        self, client: Client, service: Service, text: str
    ) -> None:
        record = saved(service, post(client, field_part("read_only", text), file_part("a")))

        assert not record.files[0].read_only

    def test_older_clients_send_an_entity(self, client: Client, service: Service) -> None:
        record = saved(
            service, post(client, field_part("entity_id", "agent_x"), file_part("a"))
        )

        assert record.scope == Scope(kind="user", entity_id="agent_x")

    def test_the_id_of_a_user_comes_from_the_credentials(self) -> None:
        assert read_scope({"kind": "user", "id": "somebody-else"}).recorded() == Scope()

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"kind": "root"}, "kind must be one of: skill, agent, user"),
            ({"kind": "agent"}, "id is required for kind: 'agent'"),
            ({"kind": "skill", "version": "1"}, "id is required for kind: 'skill'"),
            ({"kind": "skill", "id": "s"}, "version is required for kind: 'skill'"),
            (
                {"kind": "skill", "id": "s", "version": "new"},
                "version must be a number for kind: 'skill'",
            ),
            (
                {"kind": "skill", "id": "s", "version": "9" * 5_000},
                "version must be a number for kind: 'skill'",
            ),
            (
                {"kind": "agent", "id": "a", "version": "1"},
                "version is only valid for kind: 'skill'",
            ),
            ({"kind": "agent", "id": "../x"}, "id is invalid"),
            ({"entity_id": "a b"}, "entity_id is invalid"),
        ],
    )
    def test_bad_ones_leave_nothing_behind(
        self, client: Client, service: Service, fields: dict[str, str], error: str
    ) -> None:
        parts = [field_part(name, value) for name, value in fields.items()]

        answer = post(client, file_part("a"), *parts)

        assert answer.status_code == 400
        assert answer.json()["error"] == error
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/") == 0


class TestNames:
    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ('filename="a b.csv"', "a b.csv"),
            ("filename=plain.csv", "plain.csv"),
            ('filename="Übersicht.csv"', "Übersicht.csv"),
            ('filename="%C3%9Cbersicht.csv"', "Übersicht.csv"),
            ('filename="a%20b%2Fc.csv"', "a b/c.csv"),
            ('filename="100%.csv"', "100%.csv"),
            ('filename="%FF.csv"', "%FF.csv"),
            ("filename=\"fallback.csv\"; filename*=UTF-8''%C3%9C%20x.csv", "Ü x.csv"),
            ("filename*=utf-8'en'nur%2Fdies.csv", "nur/dies.csv"),
            ("filename*=ISO-8859-1''%DC.csv", "Ü.csv"),
            ('filename="with \\"quotes\\".csv"', 'with "quotes".csv'),
            # As form-data 4.0.4 writes it.
            ('filename="with "bare quotes".csv"', 'with "bare quotes".csv'),
            ('filename="a/b/c.txt"', "a/b/c.txt"),
        ],
    )
    def test_every_spelling_is_decoded(
        self, client: Client, disposition: str, name: str
    ) -> None:
        """Trap 14."""
        part = f'Content-Disposition: form-data; name="file"; {disposition}\r\n\r\nx'

        assert post(client, part).json()["files"][0]["filename"] == name

    @pytest.mark.parametrize(
        ("filename", "problem"),
        [
            ("../../etc/passwd", "must not contain empty, current, or parent path segments"),
            ("%2e%2e%2fpasswd", "must not contain empty, current, or parent path segments"),
            ("/etc/passwd", "must be a relative path"),
            ("a//b", "must not contain empty, current, or parent path segments"),
            ("a%00.csv", "contains invalid path characters"),
            ("a%5Cb", "contains invalid path characters"),
            ("a%0d%0aSet-Cookie: x", "must be canonical and file-like"),
            ("x" * 257, "must not exceed 256 characters"),
            ("", "must not be empty"),
            ("1/2/3/4/5/6/7/8/9/10/11", "exceeds maximum nesting depth of 10"),
        ],
    )
    def test_bad_ones_are_refused_and_nothing_is_stored(
        self, client: Client, service: Service, filename: str, problem: str
    ) -> None:
        answer = post(client, file_part("good.csv"), file_part(filename))

        assert answer.status_code == 400
        assert answer.json()["error"] == f"files[].name {problem}"
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/") == 0


class TestContentTypes:
    @pytest.mark.parametrize(
        ("header", "name", "kept"),
        [
            ("text/csv", "x", "text/csv"),
            ("text/csv; charset=utf-8", "x", "text/csv"),
            ("Image/PNG", "x", "image/png"),
            ("", "chart.png", "image/png"),
            ("", "unknown", "application/octet-stream"),
            ("nonsense", "a.csv", "text/csv"),
            ("text/html\x00", "a.csv", "text/csv"),
            ("text/" + "x" * 200, "a.csv", "text/csv"),
        ],
    )
    def test_a_sane_one_is_kept_and_otherwise_the_name_decides(
        self, client: Client, service: Service, header: str, name: str, kept: str
    ) -> None:
        type_line = f"Content-Type: {header}\r\n" if header else ""
        part = (
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"{type_line}\r\nx"
        )

        (entry,) = saved(service, post(client, part)).files

        assert entry.content_type == kept


class TestBadForms:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "",
            "multipart/mixed; boundary=b0undary",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            f"multipart/form-data; boundary={'b' * 300}",
        ],
    )
    def test_a_wrong_content_type_is_told(self, client: Client, content_type: str) -> None:
        answer = client.post(
            "/upload",
            content=multipart(file_part("a")),
            headers={"Content-Type": content_type},
        )

        assert answer.status_code == 400
        assert answer.json()["error"] == "Invalid content type. Must be multipart/form-data."

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no form at all",
            b"--b0undary",
            multipart(file_part("a"))[:-20],
            multipart(file_part("a"))[:40],
            multipart("Content-Disposition: form-data\n\nx"),
            multipart("no headers"),
            multipart('Content-Disposition: attachment; filename="a"\r\n\r\nx'),
            multipart(b'Content-Disposition: form-data; filename="\xff"\r\n\r\nx'),
            multipart("X: " + "x" * 10_000 + "\r\n\r\nx"),
            multipart("X: x\r\n" * 20 + file_part("a")),
            multipart(field_part("long", "x" * 9_000), file_part("a")),
            multipart(*[file_part(str(number)) for number in range(251)]),
        ],
    )
    def test_a_broken_form_leaves_nothing_behind(
        self, client: Client, service: Service, body: bytes
    ) -> None:
        answer = client.post("/upload", content=body, headers=FORM)

        assert answer.status_code in {400, 413}
        assert isinstance(answer.json()["error"], str)
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/") == 0

    @pytest.mark.parametrize(
        "parts", [(), (field_part("kind", "user"),), (field_part("file", "text"),)]
    )
    def test_a_form_without_a_file_makes_an_empty_session(
        self, client: Client, parts: tuple[str, ...]
    ) -> None:
        answer = post(client, *parts)

        assert answer.status_code == 200
        assert answer.json()["message"] == "success"
        assert answer.json()["files"] == []
        listing = client.get(f"/files/{answer.json()['session_id']}")
        assert (listing.status_code, listing.json()) == (200, [])

    @pytest.mark.parametrize(
        ("names", "error"),
        [
            (("a", "a"), 'files contains duplicate destination "a"'),
            (("a/b", "a"), 'files contains conflicting destinations "a" and "a/b"'),
            (("a", "a/b/c"), 'files contains conflicting destinations "a" and "a/b/c"'),
        ],
    )
    def test_files_that_cannot_lie_beside_each_other_are_refused(
        self, client: Client, service: Service, names: tuple[str, ...], error: str
    ) -> None:
        """Else every run that is given them would be."""
        answer = post(client, *map(file_part, names))

        assert answer.status_code == 400
        assert answer.json()["error"] == error
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/") == 0


class TestSize:
    @pytest.fixture
    def service(self) -> Service:
        return make_service(make_settings(max_upload_size=1_000))

    @pytest.fixture
    def client(self, service: Service) -> Client:
        return make_client(service)

    def test_a_file_of_exactly_the_limit_is_kept(self, client: Client) -> None:
        assert post(client, file_part("a", "x" * 1_000)).status_code == 200

    def test_the_limit_is_each_files_own(self, client: Client) -> None:
        parts = [file_part(str(number), "x" * 900) for number in range(3)]

        assert post(client, *parts).status_code == 200

    def test_one_byte_more_leaves_nothing_behind(
        self, client: Client, service: Service
    ) -> None:
        answer = post(client, file_part("small"), file_part("large", "x" * 1_001))

        assert answer.status_code == 413
        assert answer.json()["error"] == "File size limit exceeded"
        assert "MAX_UPLOAD_SIZE" in answer.json()["message"]
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/") == 0

    def test_an_absurd_announcement_is_refused_at_once(self, client: Client) -> None:
        answer = client.post(
            "/upload", content=b"", headers={**FORM, "Content-Length": "9000000000"}
        )

        assert answer.status_code == 413
        assert answer.json()["error"] == "File size limit exceeded"


class TestStorageDown:
    def test_the_client_is_told_to_come_back(self, client: Client, service: Service) -> None:
        service.store.is_down = True

        answer = post(client, file_part("a"))

        assert answer.status_code == 503
        assert answer.json()["error"] == "Error uploading files"
        assert answer.headers["retry-after"] == "5"
        assert "secret-host" not in answer.text
