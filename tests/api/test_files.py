"""Listing, downloading and deleting what is stored (librechat-contract 2.5, 2.6, 2.9)."""

from datetime import datetime, timedelta
from email.message import Message
from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from storage.records import FileEntry, SessionRecord
from tests.api.service import (
    FORM,
    TENANT,
    UNKNOWN_ID,
    Connection,
    Service,
    field_part,
    file_part,
    multipart,
    pieces,
)

Client = TestClient[Litestar]

EXECUTION = "E" * 21


def upload(
    client: Client, name: str, content: bytes = b"content", type_: str = "text/csv"
) -> Any:
    answer = client.post("/upload", files={"file": (name, content, type_)})
    return answer.json()["session_id"], answer.json()["files"][0]["fileId"]


def find(service: Service, session_id: str, file_id: str) -> FileEntry:
    return anyio.run(service.sessions.find_file, TENANT, session_id, file_id)


class TestListing:
    @pytest.mark.parametrize("query", ["", "?detail=simple", "?detail=unknown", "?detail="])
    def test_by_default_it_names_objects(self, client: Client, query: str) -> None:
        session_id, file_id = upload(client, "reports/q1/data.csv")

        answer = client.get(f"/files/{session_id}{query}")

        assert answer.status_code == 200
        assert answer.json() == [f"{session_id}/{file_id}.csv"]

    @pytest.mark.parametrize(
        ("name", "ending"),
        [
            ("a.csv", ".csv"),
            ("a.tar.gz", ".gz"),
            ("Makefile", ""),
            (".gitignore", ".gitignore"),
            ("folder.d/plain", ""),
            ("a.b c", ""),
            ("a.", ""),
        ],
    )
    def test_the_id_is_what_stands_between_slash_and_dot(
        self, client: Client, name: str, ending: str
    ) -> None:
        """Older clients parse it out (librechat-contract 2.5)."""
        session_id, file_id = upload(client, name)

        assert client.get(f"/files/{session_id}").json() == [f"{session_id}/{file_id}{ending}"]

    @pytest.mark.parametrize("detail", ["summary", "full"])
    def test_details_have_every_key_that_any_client_reads(
        self, client: Client, service: Service, detail: str
    ) -> None:
        """Traps 15, 16 and 17."""
        session_id, file_id = upload(client, "reports/q1/Größen.csv")

        (entry,) = client.get(f"/files/{session_id}?detail={detail}").json()

        assert entry == {
            "name": f"{session_id}/{file_id}.csv",
            "id": file_id,
            "fileId": file_id,
            "session_id": session_id,
            "storage_session_id": session_id,
            "size": 7,
            "lastModified": entry["lastModified"],
            "etag": find(service, session_id, file_id).etag,
            "contentType": "text/csv",
            "metadata": {
                "content-type": "text/csv",
                "original-filename": "reports/q1/Größen.csv",
                "original-filename-encoded": "none",
            },
        }
        modified = datetime.fromisoformat(entry["lastModified"])
        assert entry["lastModified"].endswith("Z")
        assert abs(modified - service.clock.now) < timedelta(milliseconds=1)

    def test_the_newest_form(self, client: Client) -> None:
        session_id, file_id = upload(client, "a.csv")

        (entry,) = client.get(f"/files/{session_id}?detail=normalized").json()

        assert entry.keys() == {
            "id",
            "name",
            "storage_session_id",
            "size",
            "contentType",
            "lastModified",
        }
        assert (entry["id"], entry["name"]) == (file_id, "a.csv")

    def test_read_only_files_are_marked_in_it(self, client: Client) -> None:
        form = multipart(field_part("read_only", "true"), file_part("a"))
        session_id = client.post("/upload", content=form, headers=FORM).json()["session_id"]

        (entry,) = client.get(f"/files/{session_id}?detail=normalized").json()

        assert entry["read_only"] is True

    def test_an_execution_lists_its_inputs_too(self, client: Client, service: Service) -> None:
        """Older clients know only what a listing names (librechat-contract 7.3)."""
        session_id, file_id = upload(client, "data.csv")
        inherited = find(service, session_id, file_id).model_copy(update={"inherited": True})
        record = SessionRecord(
            session_id=EXECUTION,
            origin="execution",
            user="somebody",
            created_at=service.clock.now,
            files=(inherited,),
        )
        anyio.run(service.sessions.save, TENANT, record)

        (entry,) = client.get(f"/files/{EXECUTION}?detail=full").json()

        assert entry["name"] == f"{EXECUTION}/{file_id}.csv"
        assert entry["session_id"] == EXECUTION
        assert entry["storage_session_id"] == session_id
        assert client.get(f"/download/{EXECUTION}/{file_id}").content == b"content"

    @pytest.mark.parametrize(
        "query", ["kind=user&id=x", "entity_id=agent_1", "kind=user", "kind=&id=&version="]
    )
    def test_a_scope_may_be_named(self, client: Client, query: str) -> None:
        """Trap 21: it may also be left out, as in the other tests."""
        session_id, _ = upload(client, "a")

        assert client.get(f"/files/{session_id}?detail=summary&{query}").status_code == 200


class TestDownload:
    @pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
    def test_the_bytes_are_the_uploaded_ones(self, client: Client, size: int) -> None:
        content = bytes(number % 251 for number in range(size))
        session_id, file_id = upload(client, "x.bin", content)

        answer = client.get(f"/download/{session_id}/{file_id}")

        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["content-length"] == str(size)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_the_headers(self, client: Client, method: str) -> None:
        """LibreChat relays them (trap 44), and asks with HEAD as well (trap 45)."""
        session_id, file_id = upload(client, "a.csv", b"1234")

        answer = client.request(
            method, f"/download/{session_id}/{file_id}", headers={"Accept-Encoding": "gzip"}
        )

        assert dict(answer.headers) == {
            "content-type": "text/csv",
            "content-disposition": "attachment; filename*=UTF-8''a.csv",
            "content-length": "4",
            "x-content-type-options": "nosniff",
            "x-codeapi-execution-profile": "default",
        }
        assert answer.content == (b"1234" if method == "GET" else b"")

    @pytest.mark.parametrize(
        "name", ["Größen 2026.csv", 'a"b.csv', "a;b=c.csv", "a'b.csv", "sub/folder.csv", "数据"]
    )
    def test_names_survive_and_stay_inside_their_header(
        self, client: Client, name: str
    ) -> None:
        form = multipart(file_part(name.replace('"', "%22")))
        answer = client.post("/upload", content=form, headers=FORM).json()

        answer = client.get(f"/download/{answer['session_id']}/{answer['files'][0]['fileId']}")

        disposition = answer.headers["content-disposition"]
        assert disposition.isascii()
        assert unquote(disposition.removeprefix("attachment; filename*=UTF-8''")) == name
        parsed = Message()
        parsed["Content-Disposition"] = disposition
        assert parsed.get_content_disposition() == "attachment"
        assert parsed.get_filename() == name

    def test_read_only_files_say_so(self, client: Client) -> None:
        form = multipart(field_part("read_only", "true"), file_part("a"))
        answer = client.post("/upload", content=form, headers=FORM).json()

        answer = client.get(f"/download/{answer['session_id']}/{answer['files'][0]['fileId']}")

        assert answer.headers["x-read-only"] == "true"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_bytes_that_are_gone_are_not_found(
        self, client: Client, service: Service, method: str
    ) -> None:
        session_id, file_id = upload(client, "a")
        if method == "GET":
            anyio.run(service.store.delete_prefix, f"{TENANT}/{session_id}/files/")
        else:
            file_id = UNKNOWN_ID

        answer = client.request(method, f"/download/{session_id}/{file_id}")

        assert answer.status_code == 404
        if method == "GET":
            assert answer.json() == {
                "error": "File not found",
                "details": "The file may have expired or does not exist",
            }

    @pytest.mark.anyio
    async def test_a_read_that_breaks_never_looks_like_a_short_file(
        self, service: Service
    ) -> None:
        entry = await service.store_file("a.bin", bytes(1_000_000))
        service.store.breaks_after_bytes = 100_000
        path = f"/download/{entry.storage_session_id}/{entry.id}"
        connection = Connection(service.app, "GET", path)

        with pytest.raises(Exception, match="response started"):
            await connection.ask(pieces(b""))

        assert connection.status == 200
        assert all(message.get("more_body", True) for message in connection.sent[1:])


class TestDeleting:
    def test_a_session_goes_with_all_its_files(self, client: Client, service: Service) -> None:
        session_id, file_id = upload(client, "a")

        answer = client.delete(f"/sessions/{session_id}")

        assert answer.status_code == 200
        assert answer.json() == {
            "message": "Session deleted successfully",
            "session_id": session_id,
        }
        assert client.get(f"/files/{session_id}").status_code == 404
        assert client.get(f"/download/{session_id}/{file_id}").status_code == 404
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/{session_id}/") == 0

    def test_others_stay(self, client: Client) -> None:
        kept, _ = upload(client, "kept")
        doomed, _ = upload(client, "doomed")

        client.delete(f"/sessions/{doomed}")

        assert client.get(f"/files/{kept}").status_code == 200

    def test_twice_is_not_found(self, client: Client) -> None:
        session_id, _ = upload(client, "a")
        client.delete(f"/sessions/{session_id}")

        answer = client.delete(f"/sessions/{session_id}")

        assert answer.status_code == 404
        assert answer.json()["error"] == "Session not found"


ROUTES = [
    ("GET", "/files/{session}", "Session not found"),
    ("GET", "/download/{session}/{file}", "File not found"),
    ("GET", "/sessions/{session}/objects/{file}", "File not found"),
    ("DELETE", "/files/{session}/{file}", "File not found"),
    ("DELETE", "/sessions/{session}", "Session not found"),
]


@pytest.mark.parametrize(("method", "route", "error"), ROUTES)
class TestNobodysAndOthers:
    """One answer for what never was, what is gone, and what is somebody else's."""

    def test_unknown_ones_are_not_found(
        self, client: Client, method: str, route: str, error: str
    ) -> None:
        """Never 403: the newest client would believe the file alive for ever (trap 19)."""
        path = route.format(session=UNKNOWN_ID, file=UNKNOWN_ID)

        answer = client.request(method, path)

        assert answer.status_code == 404
        assert answer.json()["error"] == error

    def test_expired_ones_are_not_found_to_the_second(
        self, client: Client, service: Service, method: str, route: str, error: str
    ) -> None:
        session_id, file_id = upload(client, "a")
        path = route.format(session=session_id, file=file_id)
        service.clock.advance(timedelta(hours=24, seconds=-1))
        assert client.get(f"/files/{session_id}").status_code == 200
        service.clock.advance(timedelta(seconds=1))

        answer = client.request(method, path)

        assert answer.status_code == 404
        assert answer.json()["error"] == error

    def test_another_tenants_look_as_if_they_did_not_exist(
        self, client: Client, stranger: Client, method: str, route: str, error: str
    ) -> None:
        session_id, file_id = upload(client, "a")
        path = route.format(session=session_id, file=file_id)

        foreign = stranger.request(method, path)

        missing = stranger.request(method, route.format(session=UNKNOWN_ID, file=UNKNOWN_ID))
        assert foreign.status_code == 404
        assert foreign.json()["error"] == error
        assert foreign.content == missing.content
        assert client.get(f"/download/{session_id}/{file_id}").status_code == 200

    @pytest.mark.parametrize(
        "bad",
        ["short", "x" * 36, "x" * 20 + ".", "x" * 20 + "%00", "..%2f" + "x" * 18, "ü" * 21],
    )
    def test_what_is_no_id_is_a_bad_request(
        self, client: Client, method: str, route: str, error: str, bad: str
    ) -> None:
        answer = client.request(method, route.format(session=bad, file=UNKNOWN_ID))

        assert answer.status_code in {400, 404, 405}
        if "%2f" not in bad:  # That is a slash, so the path is another one.
            assert answer.status_code == 400
            assert answer.json()["error"] == "Bad request"
        assert isinstance(answer.json()["error"], str)
        assert error


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/files/{0}", "Error fetching file information"),
        ("GET", "/download/{0}/{0}", "Error downloading file"),
        ("HEAD", "/download/{0}/{0}", ""),
        ("GET", "/sessions/{0}/objects/{0}", "Error fetching object metadata"),
        ("DELETE", "/files/{0}/{0}", "Error deleting file"),
        ("DELETE", "/sessions/{0}", "Error deleting session"),
    ],
)
def test_storage_that_does_not_answer_is_a_503_that_says_nothing_of_it(
    client: Client, service: Service, method: str, path: str, error: str
) -> None:
    service.store.is_down = True

    answer = client.request(method, path.format(UNKNOWN_ID))

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    if error:
        assert answer.json()["error"] == error
        assert "secret-host" not in answer.text
