"""Which stored files a program gets to see (librechat-contract 2.2, 3.1, 7.3)."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.caller import Caller
from api.errors import ForbiddenError
from api.file_references import FileReferenceRequest
from api.inputs import find_inputs
from api.scopes import AskedScope
from storage.records import FileEntry, FileReference, SessionRecord
from tests.api.service import OTHER_TENANT, TENANT, UNKNOWN_ID, Service

Client = TestClient[Litestar]


def upload(client: Client, *names: str, **fields: str) -> list[dict[str, str]]:
    """Upload a file per name, each into a session of its own; return their references."""
    references: list[dict[str, str]] = []
    for name in names:
        files = {"file": (name, b"content")}
        answer = client.post("/upload", files=files, data=fields).json()
        references.append(
            {
                "id": answer["files"][0]["fileId"],
                "storage_session_id": answer["session_id"],
                "name": name,
            }
        )
    return references


def run(client: Client, files: list[dict[str, Any]]) -> Any:
    return client.post("/exec", json={"lang": "py", "code": "1", "files": files})


def find(service: Service, file: dict[str, str]) -> FileEntry:
    return anyio.run(service.sessions.find_file, TENANT, file["storage_session_id"], file["id"])


def save_execution(
    service: Service, *files: FileEntry, inputs: tuple[FileEntry, ...] = ()
) -> str:
    """Record an execution that ended with `files`; return its session id."""
    session_id = "E" * 21
    record = SessionRecord(
        session_id=session_id,
        origin="execution",
        user="somebody",
        created_at=service.clock.now,
        files=files,
        inputs=inputs,
    )
    anyio.run(service.sessions.save, TENANT, record)
    return session_id


class TestFinding:
    def test_inputs_arrive_in_their_order(self, client: Client, service: Service) -> None:
        files = upload(client, "b.csv", "a/c.csv", "a.csv")

        run(client, files)

        inputs = service.dispatcher.request.inputs
        assert [entry.name for entry in inputs] == ["b.csv", "a/c.csv", "a.csv"]
        assert [entry.id for entry in inputs] == [file["id"] for file in files]

    def test_older_clients_say_session_id(self, client: Client, service: Service) -> None:
        (file,) = upload(client, "data.csv")
        file["session_id"] = file.pop("storage_session_id")

        assert run(client, [file]).status_code == 200
        assert service.dispatcher.request.inputs[0].id == file["id"]

    def test_the_recorded_name_wins(self, client: Client, service: Service) -> None:
        (file,) = upload(client, "recorded.csv")

        run(client, [{**file, "name": "requested.csv"}])

        assert service.dispatcher.request.inputs[0].name == "recorded.csv"

    def test_the_newest_form_of_a_reference_is_understood(
        self, client: Client, service: Service
    ) -> None:
        fields = {"kind": "skill", "id": "64b0", "version": "3"}
        (file,) = upload(client, "SKILL.md", **fields)
        extras = {"resource_id": "64b0", "kind": "skill", "version": 3, "entity_id": "agent_1"}

        assert run(client, [{**file, **extras}]).status_code == 200
        assert service.dispatcher.request.inputs[0].entity_id == "agent_1"

    def test_an_input_is_found_under_the_execution_that_had_it(
        self, client: Client, service: Service
    ) -> None:
        """Older clients send it back with the execution's id (trap 3)."""
        (file,) = upload(client, "data.csv")
        entry = find(service, file)
        session_id = save_execution(service, entry.model_copy(update={"inherited": True}))

        answer = run(client, [{**file, "storage_session_id": session_id}])

        assert answer.status_code == 200
        (found,) = service.dispatcher.request.inputs
        assert found == entry

    def test_so_is_one_that_the_execution_changed_or_removed(
        self, client: Client, service: Service
    ) -> None:
        """Trap 3, and librechat-contract 7.3, item 5."""
        (file,) = upload(client, "data.csv")
        entry = find(service, file)
        session_id = save_execution(service, inputs=(entry,))

        answer = run(client, [{**file, "storage_session_id": session_id}])

        assert answer.status_code == 200
        assert service.dispatcher.request.inputs == (entry,)
        path = f"/download/{session_id}/{file['id']}"
        assert client.get(path).content == b"content"
        assert client.get(f"/files/{session_id}").json() == []

    def test_what_was_deleted_where_it_lay_is_not_found_elsewhere(
        self, client: Client, service: Service
    ) -> None:
        (file,) = upload(client, "data.csv")
        session_id = save_execution(service, find(service, file))
        client.delete(f"/files/{file['storage_session_id']}/{file['id']}")

        answer = run(client, [{**file, "storage_session_id": session_id}])

        assert answer.status_code == 422
        assert client.head(f"/download/{session_id}/{file['id']}").status_code == 404

    def test_what_became_of_a_file_earlier_is_forgotten(
        self, client: Client, service: Service
    ) -> None:
        (file,) = upload(client, "data.csv")
        entry = find(service, file)
        old = FileReference(id=UNKNOWN_ID, storage_session_id=UNKNOWN_ID)
        session_id = save_execution(service, entry.model_copy(update={"modified_from": old}))

        run(client, [{**file, "storage_session_id": session_id}])

        assert service.dispatcher.request.inputs[0].modified_from is None


class TestNotFinding:
    def refused(self, answer: Any, service: Service) -> None:
        assert answer.status_code == 422
        assert answer.json()["error"] == "session_input_unavailable"
        assert answer.json()["message"].startswith("One or more input files are unavailable")
        assert service.dispatcher.requests == []

    def test_an_unknown_session(self, client: Client, service: Service) -> None:
        (file,) = upload(client, "data.csv")

        self.refused(run(client, [{**file, "storage_session_id": UNKNOWN_ID}]), service)

    def test_an_unknown_file(self, client: Client, service: Service) -> None:
        (file,) = upload(client, "data.csv")

        self.refused(run(client, [{**file, "id": UNKNOWN_ID}]), service)

    def test_one_bad_reference_among_good_ones(self, client: Client, service: Service) -> None:
        files = upload(client, "a", "b", "c")
        files[1]["id"] = UNKNOWN_ID

        self.refused(run(client, files), service)

    def test_an_expired_file(self, client: Client, service: Service) -> None:
        files = upload(client, "data.csv")
        service.clock.advance(timedelta(hours=24))

        self.refused(run(client, files), service)

    def test_a_deleted_session(self, client: Client, service: Service) -> None:
        (file,) = upload(client, "data.csv")
        client.delete(f"/sessions/{file['storage_session_id']}")

        self.refused(run(client, [file]), service)

    def test_another_tenants_file_looks_like_one_that_does_not_exist(
        self, client: Client, stranger: Client, service: Service
    ) -> None:
        files = upload(client, "data.csv")
        missing = [{**files[0], "storage_session_id": UNKNOWN_ID}]

        foreign = run(stranger, files)

        self.refused(foreign, service)
        assert foreign.content == run(stranger, missing).content

    def test_the_same_ids_are_another_file_for_another_tenant(
        self, stranger: Client, service: Service
    ) -> None:
        ours = anyio.run(service.store_file, "ours.csv", b"ours")
        theirs = anyio.run(
            lambda: service.store_file("theirs.csv", b"theirs", tenant=OTHER_TENANT)
        )
        assert ours.storage_session_id == theirs.storage_session_id

        answer = run(
            stranger, [theirs.model_dump(include={"id", "storage_session_id", "name"})]
        )

        assert answer.status_code == 200
        assert service.dispatcher.request.inputs[0].name == "theirs.csv"

    def test_storage_that_does_not_answer(self, client: Client, service: Service) -> None:
        files = upload(client, "data.csv")
        service.store.is_down = True

        answer = run(client, files)

        assert answer.status_code == 502
        assert answer.json()["error"] == "session_input_source_failed"
        assert "secret-host" not in answer.text

    def test_a_run_without_files_does_not_need_storage(
        self, client: Client, service: Service
    ) -> None:
        service.store.is_down = True

        assert run(client, []).status_code == 200


class TestDestinations:
    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["x", "x"], 'files contains duplicate destination "x"'),
            (["a", "a/b"], 'files contains conflicting destinations "a" and "a/b"'),
            (
                ["a/b/c", "b", "a/b"],
                'files contains conflicting destinations "a/b" and "a/b/c"',
            ),
        ],
    )
    def test_two_files_cannot_be_in_one_place(
        self, client: Client, service: Service, names: list[str], message: str
    ) -> None:
        answer = run(client, upload(client, *names))

        assert answer.status_code == 400
        assert answer.json() == {"error": "bad_request", "message": message}
        assert service.dispatcher.requests == []

    def test_recorded_names_are_what_counts(self, client: Client) -> None:
        first, second = upload(client, "x", "x")

        answer = run(client, [first, {**second, "name": "y"}])

        assert answer.json()["message"] == 'files contains duplicate destination "x"'

    def test_names_that_only_begin_alike_are_fine(self, client: Client) -> None:
        assert run(client, upload(client, "a", "ab/c", "a.b", "b/a")).status_code == 200


class TestFolderMarkers:
    """Empty folders survive as files that no client refers to (librechat-contract 3.5)."""

    def execution(self, service: Service, client: Client, *names: str) -> dict[str, str]:
        """Record an execution that ended with `names`; return a reference to the first."""
        entries = [find(service, file) for file in upload(client, *names)]
        session_id = save_execution(service, *entries)
        first = entries[0]
        return {"id": first.id, "storage_session_id": session_id, "name": first.name}

    def test_they_come_along_after_the_inputs(self, client: Client, service: Service) -> None:
        """Trap 49."""
        file = self.execution(service, client, "a.csv", "b/.dirkeep", "other.csv", ".dirkeep")

        run(client, [file])

        names = [entry.name for entry in service.dispatcher.request.inputs]
        assert names == ["a.csv", "b/.dirkeep"]

    def test_one_that_is_referred_to_is_there_once(
        self, client: Client, service: Service
    ) -> None:
        file = self.execution(service, client, "b/.dirkeep")

        run(client, [file])

        assert [entry.name for entry in service.dispatcher.request.inputs] == ["b/.dirkeep"]

    @pytest.mark.parametrize("name", ["b", "b/.dirkeep", "b/.dirkeep/c"])
    def test_one_in_the_way_of_an_input_is_left_out(
        self, client: Client, service: Service, name: str
    ) -> None:
        file = self.execution(service, client, "a.csv", "b/.dirkeep")
        (other,) = upload(client, name)

        answer = run(client, [file, other])

        assert answer.status_code == 200
        inputs = service.dispatcher.request.inputs
        assert [entry.name for entry in inputs] == ["a.csv", name]
        assert inputs[1].id == other["id"]

    @pytest.mark.parametrize("deleted", ["/sessions/{session}", "/files/{session}/{file}"])
    def test_one_that_was_deleted_where_it_lay_is_left_out(
        self, client: Client, service: Service, deleted: str
    ) -> None:
        """Whoever goes on with the run's own file has not asked for it."""
        (marker,) = upload(client, "d/.dirkeep")
        (made,) = upload(client, "y.txt")
        inherited = find(service, marker).model_copy(update={"inherited": True})
        session_id = save_execution(service, find(service, made), inherited)
        reference = {**made, "storage_session_id": session_id}
        run(client, [reference])

        home = {"session": marker["storage_session_id"], "file": marker["id"]}
        assert client.delete(deleted.format(**home)).status_code == 200

        assert run(client, [reference]).status_code == 200
        before, after = service.dispatcher.requests
        assert [entry.name for entry in before.inputs] == ["y.txt", "d/.dirkeep"]
        assert [entry.name for entry in after.inputs] == ["y.txt"]

    def test_storage_that_cannot_say_whether_one_is_there_is_no_answer(
        self, client: Client, service: Service
    ) -> None:
        """A run without it would lose the folder for good."""
        (marker,) = upload(client, "d/.dirkeep")
        session_id = save_execution(
            service, find(service, upload(client, "y.txt")[0]), find(service, marker)
        )
        record = anyio.run(service.sessions.load, TENANT, session_id)
        service.store.is_down_for = marker["storage_session_id"]

        reference = {"id": record.files[0].id, "session_id": session_id, "name": "y.txt"}

        assert run(client, [reference]).status_code == 502

    def test_there_are_never_more_than_256_inputs(
        self, client: Client, service: Service
    ) -> None:
        parts = [("file", (f"{number}.csv", b"")) for number in range(240)]
        answer = client.post("/upload", files=parts).json()
        files = [
            {
                "id": file["fileId"],
                "session_id": answer["session_id"],
                "name": file["filename"],
            }
            for file in answer["files"]
        ]
        marker = find(service, upload(client, "x/.dirkeep")[0])
        markers = [marker.model_copy(update={"name": f"{n}/.dirkeep"}) for n in range(30)]
        execution = save_execution(service, find(service, upload(client, "a")[0]), *markers)
        record = anyio.run(service.sessions.load, TENANT, execution)
        first = {"id": record.files[0].id, "session_id": execution, "name": "a"}

        assert run(client, [first, *files]).status_code == 200

        assert len(service.dispatcher.request.inputs) == 255


class TestScopes:
    """What may be used as an input by whom (librechat-contract 2.2 and 3.2)."""

    SKILL = {"kind": "skill", "id": "s1", "version": "2"}  # noqa: RUF012 - never changed

    @pytest.mark.parametrize(
        "said",
        [
            {"kind": "skill", "resource_id": "s1", "version": 2},
            {},
            {"entity_id": "anything"},
        ],
    )
    def test_what_fits_is_let_in(self, client: Client, said: dict[str, Any]) -> None:
        (file,) = upload(client, "SKILL.md", **self.SKILL)

        assert run(client, [{**file, **said}]).status_code == 200

    @pytest.mark.parametrize(
        "said",
        [
            {"kind": "skill", "resource_id": "s2", "version": 2},
            {"kind": "skill", "resource_id": "s1", "version": 3},
            {"kind": "agent", "resource_id": "s1"},
            {"kind": "user", "resource_id": "s1"},
        ],
    )
    def test_what_does_not_fit_is_forbidden(
        self, client: Client, service: Service, said: dict[str, Any]
    ) -> None:
        (file,) = upload(client, "SKILL.md", **self.SKILL)

        answer = run(client, [{**file, **said}])

        assert answer.status_code == 403
        assert answer.json()["error"] == "Unauthorized file reference"
        assert service.dispatcher.requests == []

    def test_a_users_resource_id_is_compared_with_nothing(self, client: Client) -> None:
        """The client puts the file's own id there."""
        (file,) = upload(client, "data.csv", kind="user", id="64b0")

        answer = run(client, [{**file, "kind": "user", "resource_id": file["id"]}])

        assert answer.status_code == 200

    def test_of_several_refusals_the_first_references_is_told(self, client: Client) -> None:
        (skill,) = upload(client, "SKILL.md", **self.SKILL)
        (unknown,) = upload(client, "data.csv")
        forbidden = {**skill, "kind": "user"}
        unknown["storage_session_id"] = UNKNOWN_ID

        assert run(client, [forbidden, unknown]).status_code == 403
        assert run(client, [unknown, forbidden]).status_code == 422

    @pytest.mark.anyio
    async def test_another_proven_users_file_is_forbidden_and_the_own_is_found(
        self, service: Service
    ) -> None:
        entry = await service.store_file("data.csv")  # Made by "somebody".
        reference = FileReferenceRequest(
            id=entry.id, session_id=entry.storage_session_id, asked=AskedScope(kind="user")
        )
        owner = Caller(tenant=TENANT, user="somebody", user_is_proven=True)
        other = Caller(tenant=TENANT, user="somebody-else", user_is_proven=True)

        assert await find_inputs(service.sessions, owner, [reference]) == (entry,)
        with pytest.raises(ForbiddenError, match="Unauthorized file reference"):
            await find_inputs(service.sessions, other, [reference])
