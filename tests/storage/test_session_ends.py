"""How sessions end: by age, by request, by a crash; and records that never were any."""

import asyncio
from datetime import timedelta

import pytest

from storage.errors import (
    RecordUnreadableError,
    SessionNotFoundError,
    StorageUnavailableError,
    StoredFileNotFoundError,
)
from storage.ids import new_id
from storage.records import SessionRecord
from storage.sessions import Sessions
from tests.storage.session_steps import (
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

MAX_AGE = timedelta(hours=24)
SECOND = timedelta(seconds=1)


class TestExpiry:
    async def test_a_session_is_served_to_the_last_second(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")

        clock.advance(MAX_AGE - SECOND)

        assert await sessions.load(TENANT, record.session_id) == record

    async def test_then_it_is_gone_for_every_purpose(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")

        clock.advance(MAX_AGE)

        with pytest.raises(SessionNotFoundError):
            await sessions.load(TENANT, record.session_id)
        with pytest.raises(SessionNotFoundError):
            await sessions.find_file(TENANT, record.session_id, record.files[0].id)
        with pytest.raises(SessionNotFoundError):
            await sessions.delete(TENANT, record.session_id)

    async def test_a_file_expires_by_its_own_age_in_a_younger_session(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        old = (await upload(sessions, clock, "old.csv")).files[0]
        clock.advance(timedelta(hours=20))
        execution_id = new_id()
        new = await store_file(sessions, execution_id, name="new.csv")
        inherited = old.model_copy(update={"inherited": True})
        await sessions.save(TENANT, record_of(execution_id, clock, new, inherited))

        clock.advance(timedelta(hours=4))

        assert (await sessions.load(TENANT, execution_id)).files == (new,)
        with pytest.raises(StoredFileNotFoundError):
            await sessions.find_file(TENANT, execution_id, old.id)

    async def test_bytes_that_the_bucket_removed_early_are_not_found(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")
        await store.delete_prefix(f"{TENANT}/{record.session_id}/files/")

        with pytest.raises(StoredFileNotFoundError):
            await read(sessions, record.files[0])


class TestDeleting:
    async def test_nothing_of_a_deleted_session_is_left(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "a.csv", "b.csv")

        await sessions.delete(TENANT, record.session_id)

        assert await store.delete_prefix(f"{TENANT}/") == 0

    async def test_it_is_gone_for_those_who_knew_it(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")

        await sessions.delete(TENANT, record.session_id)

        with pytest.raises(SessionNotFoundError):
            await sessions.load(TENANT, record.session_id)
        with pytest.raises(StoredFileNotFoundError):
            await read(sessions, record.files[0])
        with pytest.raises(SessionNotFoundError):
            await sessions.delete(TENANT, record.session_id)

    async def test_other_sessions_are_kept(self, sessions: Sessions, clock: Clock) -> None:
        kept = await upload(sessions, clock, "data.csv")
        deleted = await upload(sessions, clock, "data.csv")

        await sessions.delete(TENANT, deleted.session_id)

        assert await read(sessions, kept.files[0]) == b"a,b\n"

    async def test_a_crash_midway_leaves_no_record_and_can_be_finished(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "data.csv")
        store.failing = True
        with pytest.raises(StorageUnavailableError):
            await sessions.delete(TENANT, record.session_id)
        store.failing = False

        with pytest.raises(SessionNotFoundError):
            await sessions.load(TENANT, record.session_id)
        await sessions.delete(TENANT, record.session_id)

        assert await store.delete_prefix(f"{TENANT}/") == 0


class TestDeletingFiles:
    async def delete(self, sessions: Sessions, record: SessionRecord, file_id: str) -> None:
        await sessions.delete_file(TENANT, record.session_id, file_id, check=lambda _: None)

    async def test_one_goes_with_its_bytes_and_the_others_stay(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "a.csv", "b.csv")
        gone, kept = record.files

        await self.delete(sessions, record, gone.id)

        assert (await sessions.load(TENANT, record.session_id)).files == (kept,)
        with pytest.raises(StoredFileNotFoundError):
            await sessions.find_file(TENANT, record.session_id, gone.id)
        with pytest.raises(StoredFileNotFoundError):
            await read(sessions, gone)
        assert await read(sessions, kept) == b"a,b\n"

    async def test_deletions_at_the_same_time_do_not_undo_each_other(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, *(f"{number}.csv" for number in range(8)))

        await asyncio.gather(
            *(self.delete(sessions, record, entry.id) for entry in record.files[:7])
        )

        assert (await sessions.load(TENANT, record.session_id)).files == record.files[7:]

    async def test_a_file_that_is_not_there_changes_nothing(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "a.csv")

        with pytest.raises(StoredFileNotFoundError):
            await self.delete(sessions, record, new_id())

        assert await sessions.load(TENANT, record.session_id) == record

    async def test_who_is_refused_changes_nothing(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "a.csv")

        def refuse(_: SessionRecord) -> None:
            raise PermissionError

        with pytest.raises(PermissionError):
            await sessions.delete_file(
                TENANT, record.session_id, record.files[0].id, check=refuse
            )
        with pytest.raises(PermissionError):
            await sessions.delete(TENANT, record.session_id, check=refuse)

        assert await sessions.load(TENANT, record.session_id) == record
        assert await read(sessions, record.files[0]) == b"a,b\n"

    async def test_no_file_of_a_deleted_or_expired_session_can_be_deleted(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        deleted = await upload(sessions, clock, "a.csv")
        expired = await upload(sessions, clock, "a.csv")
        await sessions.delete(TENANT, deleted.session_id)
        clock.advance(MAX_AGE)

        for record in (deleted, expired):
            with pytest.raises(SessionNotFoundError):
                await self.delete(sessions, record, record.files[0].id)

    async def test_a_crash_before_the_bytes_are_gone_leaves_nothing_to_be_found(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        record = await upload(sessions, clock, "a.csv")
        store.failing = True

        with pytest.raises(StorageUnavailableError):
            await self.delete(sessions, record, record.files[0].id)

        with pytest.raises(StoredFileNotFoundError):
            await sessions.find_file(TENANT, record.session_id, record.files[0].id)

    async def test_an_input_is_gone_under_executions_too(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        uploaded = await upload(sessions, clock, "a.csv")
        (entry,) = uploaded.files
        execution = record_of(new_id(), clock, entry.model_copy(update={"inherited": True}))
        await sessions.save(TENANT, execution)

        await self.delete(sessions, uploaded, entry.id)

        with pytest.raises(StoredFileNotFoundError):
            await sessions.find_file(TENANT, execution.session_id, entry.id)


class TestDiscarding:
    async def test_files_that_never_got_a_record_are_removed(
        self, sessions: Sessions, store: CrashingStore
    ) -> None:
        session_id = new_id()
        await store_file(sessions, session_id)

        await sessions.discard(TENANT, session_id)

        assert await store.delete_prefix(f"{TENANT}/") == 0

    async def test_there_may_be_nothing_to_remove(self, sessions: Sessions) -> None:
        await sessions.discard(TENANT, new_id())


class TestForeignRecords:
    """Whoever can write to the bucket is not thereby believed."""

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"\xff\xfe", id="not text"),
            pytest.param(b"{", id="not JSON"),
            pytest.param(b"[]", id="not an object"),
            pytest.param(b"{}", id="nothing in it"),
            pytest.param(b" " * (4 * 1024 * 1024 + 1), id="endless"),
        ],
    )
    async def test_a_record_that_is_none_is_told_apart_from_a_missing_one(
        self, sessions: Sessions, store: CrashingStore, content: bytes
    ) -> None:
        session_id = new_id()
        key = f"{TENANT}/{session_id}/record.json"
        await store.put(key, body(content), max_bytes=len(content))

        with pytest.raises(RecordUnreadableError, match=session_id):
            await sessions.load(TENANT, session_id)

    async def test_another_sessions_record_is_refused(
        self, sessions: Sessions, store: CrashingStore, clock: Clock
    ) -> None:
        session_id = new_id()
        record = record_of(new_id(), clock).model_dump_json().encode()
        await store.put(f"{TENANT}/{session_id}/record.json", body(record), max_bytes=9_999)

        with pytest.raises(RecordUnreadableError, match="another session"):
            await sessions.load(TENANT, session_id)

    async def test_the_error_does_not_repeat_what_the_record_says(
        self, sessions: Sessions, store: CrashingStore
    ) -> None:
        session_id = new_id()
        key = f"{TENANT}/{session_id}/record.json"
        await store.put(key, body(b'{"origin": "secret-project"}'), max_bytes=99)

        with pytest.raises(RecordUnreadableError) as raised:
            await sessions.load(TENANT, session_id)

        assert "secret-project" not in str(raised.value)
        assert "origin: literal_error" in str(raised.value)
