"""What the tests of sessions have in common."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from storage.errors import StorageUnavailableError
from storage.ids import new_id
from storage.memory import MemoryObjectStore
from storage.records import FileEntry, SessionRecord
from storage.sessions import Sessions

TENANT, OTHER_TENANT = "acme", "globex"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class CrashingStore(MemoryObjectStore):
    """Can be told to fail at its next deletions."""

    failing = False

    @override
    async def delete(self, key: str) -> None:
        if self.failing:
            raise StorageUnavailableError("unplugged")
        await super().delete(key)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        if self.failing:
            raise StorageUnavailableError("unplugged")
        return await super().delete_prefix(prefix)


async def body(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


async def store_file(
    sessions: Sessions, session_id: str, *, name: str = "data.csv", data: bytes = b"a,b\n"
) -> FileEntry:
    return await sessions.store_file(
        TENANT, session_id, name=name, body=body(data), content_type="text/csv", max_bytes=100
    )


def record_of(session_id: str, clock: Clock, *files: FileEntry) -> SessionRecord:
    return SessionRecord(
        session_id=session_id,
        origin="upload",
        user="alice",
        created_at=clock.now,
        files=files,
    )


async def upload(sessions: Sessions, clock: Clock, *names: str) -> SessionRecord:
    session_id = new_id()
    files = [await store_file(sessions, session_id, name=name) for name in names]
    record = record_of(session_id, clock, *files)
    await sessions.save(TENANT, record)
    return record


async def read(sessions: Sessions, entry: FileEntry, *, tenant: str = TENANT) -> bytes:
    async with sessions.open_file(tenant, entry) as opened:
        return b"".join([chunk async for chunk in opened.chunks])
