"""Describing and deleting single files (librechat-contract 2.7 and 2.8)."""

from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from storage.records import FileEntry, SessionRecord
from tests.api.service import (
    FORM,
    TENANT,
    UNKNOWN_ID,
    Service,
    field_part,
    file_part,
    multipart,
)

Client = TestClient[Litestar]

EXECUTION = "E" * 21


def upload(client: Client, *names: str) -> list[str]:
    """Upload files into one session; return its id and theirs."""
    parts = [("file", (name, name.encode(), "text/csv")) for name in names]
    answer = client.post("/upload", files=parts).json()
    return [answer["session_id"], *(file["fileId"] for file in answer["files"])]


def find(service: Service, session_id: str, file_id: str) -> FileEntry:
    return anyio.run(service.sessions.find_file, TENANT, session_id, file_id)


def save_execution(service: Service, **files: Any) -> None:
    record = SessionRecord(
        session_id=EXECUTION,
        origin="execution",
        user="somebody",
        created_at=service.clock.now,
        **files,
    )
    anyio.run(service.sessions.save, TENANT, record)


class TestDescribing:
    def test_it_has_what_librechat_looks_for(self, client: Client, service: Service) -> None:
        session_id, file_id = upload(client, "reports/q1/data.csv")

        answer = client.get(f"/sessions/{session_id}/objects/{file_id}")

        assert answer.status_code == 200
        listed = client.get(f"/files/{session_id}?detail=full").json()[0]
        assert answer.json() == {
            "name": f"{session_id}/{file_id}.csv",
            "originalFilename": "reports/q1/data.csv",
            "size": 19,
            "lastModified": listed["lastModified"],
            "etag": find(service, session_id, file_id).etag,
            "contentType": "text/csv",
            "readOnly": False,
        }

    def test_it_says_what_is_read_only(self, client: Client) -> None:
        form = multipart(field_part("read_only", "true"), file_part("a"))
        answer = client.post("/upload", content=form, headers=FORM).json()
        path = f"/sessions/{answer['session_id']}/objects/{answer['files'][0]['fileId']}"

        assert client.get(path).json()["readOnly"] is True

    def test_an_input_is_described_under_the_execution_that_had_it(
        self, client: Client, service: Service
    ) -> None:
        session_id, kept, changed = upload(client, "kept.csv", "changed.csv")
        inherited = find(service, session_id, kept).model_copy(update={"inherited": True})
        save_execution(
            service, files=(inherited,), inputs=(find(service, session_id, changed),)
        )

        for file_id in (kept, changed):
            answer = client.get(f"/sessions/{EXECUTION}/objects/{file_id}")
            assert answer.json()["name"] == f"{EXECUTION}/{file_id}.csv"


class TestDeleting:
    def test_the_file_is_gone_for_every_purpose(self, client: Client, service: Service) -> None:
        session_id, doomed, kept = upload(client, "doomed.csv", "kept.csv")

        answer = client.delete(f"/files/{session_id}/{doomed}")

        assert answer.status_code == 200
        assert answer.json() == {
            "message": "File deleted successfully",
            "session_id": session_id,
            "fileId": doomed,
        }
        assert client.get(f"/files/{session_id}").json() == [f"{session_id}/{kept}.csv"]
        for path in (f"/download/{session_id}", f"/sessions/{session_id}/objects"):
            assert client.get(f"{path}/{doomed}").status_code == 404
            assert client.get(f"{path}/{kept}").status_code == 200
        reference = {"id": doomed, "session_id": session_id, "name": "doomed.csv"}
        run = client.post("/exec", json={"lang": "py", "code": "1", "files": [reference]})
        assert run.status_code == 422
        assert anyio.run(service.store.delete_prefix, f"{TENANT}/{session_id}/files/") == 1

    @pytest.mark.parametrize("unknown", ["session", "file"])
    def test_what_is_missing_is_not_found(self, client: Client, unknown: str) -> None:
        """Trap 25: LibreChat takes that for deleted already."""
        session_id, file_id = upload(client, "a.csv")
        session_id = UNKNOWN_ID if unknown == "session" else session_id
        file_id = UNKNOWN_ID if unknown == "file" else file_id

        answer = client.delete(f"/files/{session_id}/{file_id}")

        assert answer.status_code == 404
        assert answer.json()["error"] == "File not found"

    def test_twice_is_not_found(self, client: Client) -> None:
        session_id, file_id = upload(client, "a.csv")
        client.delete(f"/files/{session_id}/{file_id}")

        assert client.delete(f"/files/{session_id}/{file_id}").status_code == 404

    def test_a_session_without_files_is_still_a_session(self, client: Client) -> None:
        session_id, file_id = upload(client, "a.csv")
        client.delete(f"/files/{session_id}/{file_id}")

        assert client.get(f"/files/{session_id}").json() == []

    def test_an_executions_input_stays_where_it_was_uploaded(
        self, client: Client, service: Service
    ) -> None:
        session_id, file_id = upload(client, "data.csv")
        inherited = find(service, session_id, file_id).model_copy(update={"inherited": True})
        save_execution(service, files=(inherited,))

        assert client.delete(f"/files/{EXECUTION}/{file_id}").status_code == 200

        assert client.get(f"/files/{EXECUTION}").json() == []
        assert client.get(f"/download/{EXECUTION}/{file_id}").status_code == 404
        assert client.get(f"/download/{session_id}/{file_id}").content == b"data.csv"
