"""Uploading many files at once, each for itself (librechat-contract 2.4)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.multipart_form import MAX_BATCH_PARTS
from storage.ids import is_id
from storage.records import Scope, SessionRecord
from tests.api.service import (
    FORM,
    TENANT,
    Connection,
    Service,
    field_part,
    file_part,
    make_client,
    make_service,
    make_settings,
    multipart,
)

Client = TestClient[Litestar]

SIZE_LIMIT = 1_000
TOO_LARGE = "x" * (SIZE_LIMIT + 1)


@pytest.fixture
def service() -> Service:
    return make_service(make_settings(max_upload_size=SIZE_LIMIT))


@pytest.fixture
def client(service: Service) -> Client:
    return make_client(service)


def post(client: Client, *parts: str | bytes) -> Any:
    return client.post("/upload/batch", content=multipart(*parts), headers=FORM)


def saved(service: Service, answer: Any) -> SessionRecord:
    return anyio.run(service.sessions.load, TENANT, answer.json()["session_id"])


def leftovers(service: Service) -> int:
    return anyio.run(service.store.delete_prefix, f"{TENANT}/")


class TestAllWell:
    def test_a_skill_is_one_session(self, client: Client, service: Service) -> None:
        answer = post(
            client,
            field_part("kind", "skill"),
            field_part("id", "pdf"),
            field_part("version", "3"),
            field_part("read_only", "true"),
            file_part("pdf-tools/SKILL.md", "# PDF"),
            file_part("pdf-tools/scripts/fill.py", ""),
        )

        assert answer.status_code == 200
        body = answer.json()
        record = saved(service, answer)
        assert is_id(body["session_id"])
        assert body == {
            "message": "success",
            "storage_session_id": body["session_id"],
            "session_id": body["session_id"],
            "files": [
                {"status": "success", "filename": entry.name, "fileId": entry.id}
                for entry in record.files
            ],
            "succeeded": 2,
            "failed": 0,
        }
        assert [file["filename"] for file in body["files"]] == [
            "pdf-tools/SKILL.md",
            "pdf-tools/scripts/fill.py",
        ]
        assert record.scope == Scope(kind="skill", id="pdf", version=3)
        assert [entry.read_only for entry in record.files] == [True, True]

    @pytest.mark.parametrize("route", ["/v1/upload/batch", "/v1//upload//batch/"])
    def test_it_is_served_where_everything_is(self, client: Client, route: str) -> None:
        answer = client.post(route, content=multipart(file_part("a")), headers=FORM)

        assert answer.status_code == 200


class TestSomeNot:
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_file_that_is_too_large_stops_no_other(
        self, client: Client, service: Service, place: int
    ) -> None:
        parts = [file_part("a.txt", "A"), file_part("b.txt", "B")]
        parts.insert(place, file_part("huge.bin", TOO_LARGE * 500))

        answer = post(client, *parts)

        assert answer.status_code == 200
        body = answer.json()
        assert body["message"] == "partial_success"
        assert (body["succeeded"], body["failed"]) == (2, 1)
        assert body["files"][place] == {
            "status": "error",
            "filename": "huge.bin",
            "error": "File size limit exceeded",
        }
        assert [entry.name for entry in saved(service, answer).files] == ["a.txt", "b.txt"]
        for entry in saved(service, answer).files:
            path = f"/download/{body['session_id']}/{entry.id}"
            assert client.get(path).text == entry.name[0].upper()

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("../up", "must not contain empty, current, or parent path segments"),
            ("/etc/passwd", "must be a relative path"),
            ("a%00", "contains invalid path characters"),
            ("x" * 257, "must not exceed 256 characters"),
            ("", "must not be empty"),
        ],
    )
    def test_nor_does_one_with_a_bad_name(self, client: Client, name: str, error: str) -> None:
        answer = post(client, file_part(name, "x" * 500), file_part("good"))

        bad, good = answer.json()["files"]
        assert bad["error"] == f"files[].name {error}"
        assert good["status"] == "success"

    def test_nor_one_that_cannot_lie_beside_the_others(self, client: Client) -> None:
        """Else every run that is given them would be refused."""
        answer = post(client, file_part("a"), file_part("a"), file_part("a/b"))

        assert [file.get("error") for file in answer.json()["files"]] == [
            None,
            'files contains duplicate destination "a"',
            'files contains conflicting destinations "a" and "a/b"',
        ]


class TestNone:
    def test_no_file_that_can_be_stored_is_an_error_and_leaves_nothing(
        self, client: Client, service: Service
    ) -> None:
        answer = post(client, file_part("a", TOO_LARGE), file_part(".."))

        assert answer.status_code == 400
        body = answer.json()
        assert body["message"] == "error"
        assert (body["succeeded"], body["failed"]) == (0, 2)
        assert leftovers(service) == 0

    def test_a_bad_scope_is_the_error_of_every_file(
        self, client: Client, service: Service
    ) -> None:
        answer = post(client, file_part("a"), file_part("b"), field_part("kind", "agent"))

        assert answer.status_code == 400
        assert answer.json()["message"] == "error"
        assert [file["error"] for file in answer.json()["files"]] == [
            "id is required for kind: 'agent'"
        ] * 2
        assert leftovers(service) == 0

    @pytest.mark.parametrize("parts", [(), (field_part("kind", "user"),)])
    def test_no_file_at_all(self, client: Client, parts: tuple[str, ...]) -> None:
        answer = post(client, *parts)

        assert answer.status_code == 400
        assert answer.json()["error"] == "No files provided"

    def test_no_form(self, client: Client) -> None:
        answer = client.post("/upload/batch", json={})

        assert answer.status_code == 400
        assert answer.json()["error"] == "Invalid content type. Must be multipart/form-data."

    def test_a_form_that_ends_early_leaves_nothing(
        self, client: Client, service: Service
    ) -> None:
        body = multipart(file_part("a"), file_part("b", "x" * 500))[:-100]

        answer = client.post("/upload/batch", content=body, headers=FORM)

        assert answer.status_code == 400
        assert isinstance(answer.json()["error"], str)
        assert leftovers(service) == 0

    def test_storage_that_does_not_answer(self, client: Client, service: Service) -> None:
        service.store.is_down = True

        answer = post(client, file_part("a"))

        assert answer.status_code == 503
        assert answer.json()["error"] == "Error processing batch upload"


class TestMany:
    def test_two_hundred_are_kept(self, client: Client) -> None:
        body = post(client, *[file_part(str(number)) for number in range(200)]).json()

        assert body["succeeded"] == 200
        assert "filesLimitReached" not in body
        assert "maxFiles" not in body

    def test_those_beyond_are_dropped_and_that_is_told(
        self, client: Client, service: Service
    ) -> None:
        answer = post(
            client,
            *[file_part(str(number)) for number in range(230)],
            *[field_part(str(number), "x") for number in range(60)],
            field_part("kind", "agent"),
            field_part("id", "a1"),
        )

        body = answer.json()
        assert (body["filesLimitReached"], body["maxFiles"]) == (True, 200)
        assert (body["message"], body["succeeded"], len(body["files"])) == ("success", 200, 200)
        assert saved(service, answer).scope == Scope(kind="agent", id="a1")

    def test_a_form_without_end_is_refused(self, client: Client, service: Service) -> None:
        parts = [file_part(str(number), "") for number in range(MAX_BATCH_PARTS + 1)]

        answer = post(client, *parts)

        assert answer.status_code == 413
        assert leftovers(service) == 0


@pytest.mark.anyio
class TestStalling:
    """A client that stops sending, with the connection kept open."""

    @pytest.fixture(autouse=True)
    def _impatience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.body.PACE_S", 0.05)

    async def send(self, service: Service, *parts: str, unsent: int) -> Connection:
        """Send a form but for its last `unsent` bytes, and then nothing."""

        async def body() -> AsyncIterator[bytes]:
            yield multipart(*parts)[:-unsent]
            await asyncio.Event().wait()

        connection = Connection(
            service.app, "POST", "/upload/batch", content_type=FORM["Content-Type"]
        )
        await connection.ask(body())
        return connection

    async def test_the_file_that_does_not_arrive_is_told_and_the_others_are_kept(
        self, service: Service
    ) -> None:
        skill = (field_part("kind", "agent"), field_part("id", "a1"))
        files = (file_part("a", "A"), file_part("b", "B"), file_part("late", "x" * 500))

        answer = await self.send(service, *skill, *files, unsent=300)

        assert answer.status == 200
        assert answer.json["message"] == "partial_success"
        assert [file.get("error") for file in answer.json["files"]] == [
            None,
            None,
            "Upload timeout",
        ]
        record = await service.sessions.load(TENANT, answer.json["session_id"])
        assert [entry.name for entry in record.files] == ["a", "b"]
        assert record.scope == Scope(kind="agent", id="a1")

    async def test_without_others_it_is_an_error_and_leaves_nothing(
        self, service: Service
    ) -> None:
        answer = await self.send(service, file_part("late", "x" * 500), unsent=300)

        assert answer.status == 400
        assert answer.json["message"] == "error"
        assert [file["error"] for file in answer.json["files"]] == ["Upload timeout"]
        assert await service.store.delete_prefix(f"{TENANT}/") == 0

    async def test_the_rest_of_a_refused_file_is_not_worth_the_others(
        self, service: Service
    ) -> None:
        huge = file_part("huge.bin", TOO_LARGE * 500)

        answer = await self.send(service, file_part("a", "A"), huge, unsent=100_000)

        assert answer.status == 200
        assert [file.get("error") for file in answer.json["files"]] == [
            None,
            "File size limit exceeded",
        ]

    @pytest.mark.parametrize("parts", [(), (file_part("a", "A"),)])
    async def test_between_files_there_is_nothing_to_tell_it_of(
        self, service: Service, parts: tuple[str, ...]
    ) -> None:
        """Else a batch of which half is missing would be a success."""
        answer = await self.send(service, *parts, field_part("x", "y" * 500), unsent=300)

        assert answer.status == 504
        assert answer.json["error"] == "Upload timeout"
        assert await service.store.delete_prefix(f"{TENANT}/") == 0
