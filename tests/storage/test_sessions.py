"""What sessions promise while they live: to their tenant, and to nobody else."""

import json

import pytest

from storage.errors import (
    ObjectTooLargeError,
    SessionNotFoundError,
    StoredFileNotFoundError,
)
from storage.ids import new_id
from storage.records import FileEntry, Scope, SessionRecord
from storage.sessions import Sessions
from tests.storage.session_steps import (
    OTHER_TENANT,
    TENANT,
    Clock,
    CrashingStore,
    body,
    read,
    record_of,
    store_file,
    upload,
)

pytestmark = pytest.mark.anyio


class TestStoring:
    async def test_an_entry_says_what_was_stored_where_and_when(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        session_id = new_id()

        entry = await sessions.store_file(
            TENANT,
            session_id,
            name="reports/q1/data.csv",
            body=body(b"abc"),
            content_type="text/csv",
            max_bytes=3,
            read_only=True,
            entity_id="agent_1",
        )

        assert entry == FileEntry(
            id=entry.id,
            name="reports/q1/data.csv",
            storage_session_id=session_id,
            size_bytes=3,
            sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            etag=entry.etag,
            content_type="text/csv",
            created_at=clock.now,
            read_only=True,
            entity_id="agent_1",
        )

    async def test_files_of_one_name_get_different_ids(self, sessions: Sessions) -> None:
        session_id = new_id()

        first = await store_file(sessions, session_id, data=b"1")
        second = await store_file(sessions, session_id, data=b"2")

        assert first.id != second.id
        assert await read(sessions, first) == b"1"
        assert await read(sessions, second) == b"2"

    async def test_keys_are_as_the_design_has_them(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")
        folder = f"{TENANT}/{record.session_id}"

        assert await store.read(f"{folder}/files/{record.files[0].id}", max_bytes=9) == b"a,b\n"
        assert await store.read(f"{folder}/record.json", max_bytes=9_999)

    async def test_a_file_over_the_limit_is_refused(self, sessions: Sessions) -> None:
        with pytest.raises(ObjectTooLargeError):
            await store_file(sessions, new_id(), data=b"x" * 101)

    @pytest.mark.parametrize("session_id", ["", "..", "a" * 20 + "/", "a" * 22])
    async def test_nothing_is_stored_under_what_is_not_an_id(
        self, sessions: Sessions, session_id: str
    ) -> None:
        with pytest.raises(ValueError, match="not a session's id"):
            await store_file(sessions, session_id)


class TestFinding:
    async def test_a_session_comes_back_as_it_was_saved(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        session_id = new_id()
        entry = await store_file(sessions, session_id, name="größe/данные 1.csv")
        record = SessionRecord(
            session_id=session_id,
            origin="execution",
            user="alice",
            scope=Scope(kind="skill", id="s1", version=3, entity_id="e1"),
            created_at=clock.now,
            files=(entry,),
        )

        await sessions.save(TENANT, record)

        assert await sessions.load(TENANT, session_id) == record
        assert await sessions.find_file(TENANT, session_id, entry.id) == entry
        assert await read(sessions, entry) == b"a,b\n"

    async def test_files_without_a_record_are_not_a_session(self, sessions: Sessions) -> None:
        session_id = new_id()
        await store_file(sessions, session_id)

        with pytest.raises(SessionNotFoundError):
            await sessions.load(TENANT, session_id)

    @pytest.mark.parametrize(
        "session_id",
        ["", "a" * 21, "a" * 20, "../../globex/aaaaaaaaaaaaaaaaa", "a" * 21 + "\n"],
    )
    async def test_whatever_names_no_session_is_not_found(
        self, sessions: Sessions, session_id: str
    ) -> None:
        with pytest.raises(SessionNotFoundError):
            await sessions.load(TENANT, session_id)
        with pytest.raises(SessionNotFoundError):
            await sessions.find_file(TENANT, session_id, new_id())
        with pytest.raises(SessionNotFoundError):
            await sessions.delete(TENANT, session_id)

    @pytest.mark.parametrize("file_id", ["", "a" * 21, "../record.json"])
    async def test_whatever_names_no_file_is_not_found(
        self, sessions: Sessions, clock: Clock, file_id: str
    ) -> None:
        record = await upload(sessions, clock, "data.csv")

        with pytest.raises(StoredFileNotFoundError):
            await sessions.find_file(TENANT, record.session_id, file_id)

    async def test_an_untouched_input_is_found_under_the_execution_that_had_it(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        """Clients of some versions ask for it there (librechat-contract 7.3, item 5)."""
        uploaded = (await upload(sessions, clock, "data.csv")).files[0]
        execution_id = new_id()
        inherited = uploaded.model_copy(update={"inherited": True})
        await sessions.save(TENANT, record_of(execution_id, clock, inherited))

        found = await sessions.find_file(TENANT, execution_id, uploaded.id)

        assert found.storage_session_id == uploaded.storage_session_id
        assert await read(sessions, found) == b"a,b\n"

    async def test_so_is_an_input_that_the_execution_did_not_end_with(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        (entry,) = (await upload(sessions, clock, "data.csv")).files
        record = record_of(new_id(), clock).model_copy(update={"inputs": (entry,)})
        await sessions.save(TENANT, record)

        assert await sessions.find_file(TENANT, record.session_id, entry.id) == entry
        assert (await sessions.load(TENANT, record.session_id)).files == ()

    async def test_a_record_of_the_first_version_is_understood(
        self, sessions: Sessions, store: CrashingStore
    ) -> None:
        """Sessions outlive an update of the service."""
        session_id, file_id = new_id(), new_id()
        written = {
            "schema_version": 1,
            "session_id": session_id,
            "origin": "execution",
            "user": "key:acme",
            "scope": {"kind": "user", "id": None, "version": None, "entity_id": None},
            "created_at": "2026-11-22T11:00:00Z",
            "files": [
                {
                    "id": file_id,
                    "name": "data.csv",
                    "storage_session_id": session_id,
                    "size_bytes": 4,
                    "sha256": "0" * 64,
                    "etag": "0" * 32,
                    "content_type": "text/csv",
                    "created_at": "2026-11-22T11:00:00Z",
                    "read_only": False,
                    "inherited": False,
                    "modified_from": None,
                    "entity_id": None,
                }
            ],
        }
        content = json.dumps(written).encode()
        await store.put(f"{TENANT}/{session_id}/record.json", body(content), max_bytes=9_999)

        assert (await sessions.find_file(TENANT, session_id, file_id)).name == "data.csv"

    async def test_what_a_newer_version_adds_to_a_record_is_ignored(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        """While several replicas are updated, one after the other."""
        record = record_of(new_id(), clock)
        written = record.model_dump(mode="json") | {"in_later_versions": [1]}
        content = json.dumps(written).encode()
        key = f"{TENANT}/{record.session_id}/record.json"
        await store.put(key, body(content), max_bytes=9_999)

        assert await sessions.load(TENANT, record.session_id) == record


class TestTenants:
    async def test_a_session_does_not_exist_for_another_tenant(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")
        entry = record.files[0]

        with pytest.raises(SessionNotFoundError):
            await sessions.load(OTHER_TENANT, record.session_id)
        with pytest.raises(SessionNotFoundError):
            await sessions.find_file(OTHER_TENANT, record.session_id, entry.id)
        with pytest.raises(StoredFileNotFoundError):
            await read(sessions, entry, tenant=OTHER_TENANT)
        with pytest.raises(SessionNotFoundError):
            await sessions.delete(OTHER_TENANT, record.session_id)
        await sessions.discard(OTHER_TENANT, record.session_id)

        assert await sessions.load(TENANT, record.session_id) == record
        assert await read(sessions, entry) == b"a,b\n"

    @pytest.mark.parametrize("tenant", ["", ".", "..", "a/b", "a b", "ä", "a" * 65, "a\n"])
    async def test_a_name_that_could_leave_its_folder_is_refused(
        self, sessions: Sessions, clock: Clock, tenant: str
    ) -> None:
        entry = (await upload(sessions, clock, "data.csv")).files[0]

        with pytest.raises(ValueError, match="not a tenant's name"):
            await sessions.load(tenant, new_id())
        with pytest.raises(ValueError, match="not a tenant's name"):
            await sessions.save(tenant, record_of(new_id(), clock))
        with pytest.raises(ValueError, match="not a tenant's name"):
            await read(sessions, entry, tenant=tenant)
        with pytest.raises(ValueError, match="not a tenant's name"):
            await sessions.discard(tenant, new_id())
