"""The records of sessions: kept, found while they are alive, and changed without loss."""

from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta

from storage.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    RecordUnreadableError,
    SessionNotFoundError,
)
from storage.ids import is_id
from storage.ports import ObjectStore
from storage.record_cache import ParsedRecords
from storage.record_format import DELETED, MAX_RECORD_BYTES, write_record
from storage.records import FileEntry, SessionRecord
from storage.session_keys import record_key, require_tenant


class SessionRecords:
    """The records in one object store. `Sessions` says what its methods promise.

    Args:
        store: Where the objects are.
        max_age: How long a record, and each entry by itself, counts after its creation.
        clock: Returns the present, with its time zone.
    """

    def __init__(
        self, store: ObjectStore, *, max_age: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._max_age = max_age
        self._clock = clock
        self._parsed_lately = ParsedRecords()
        self.expired_count = 0
        """How often a session, or a file of one, was asked for after its time."""

    async def save(self, tenant: str, record: SessionRecord) -> None:
        """Write a record.

        Raises:
            ObjectTooLargeError: It exceeds `MAX_RECORD_BYTES`; it is not kept.
            StorageUnavailableError: It is kept or not; safe to repeat.
        """
        await self._store.put(
            record_key(tenant, record.session_id),
            _once(write_record(record)),
            max_bytes=MAX_RECORD_BYTES,
        )

    async def load(self, tenant: str, session_id: str) -> SessionRecord:
        """Return a record without the entries that have expired.

        Raises:
            SessionNotFoundError: There is none, or it has expired or was deleted.
            RecordUnreadableError: It cannot be understood.
            StorageUnavailableError: Safe to try again.
        """
        record = await self.read(tenant, session_id)
        if record is None:
            raise SessionNotFoundError(session_id)
        return record.model_copy(
            update={"files": self._alive(record.files), "inputs": self._alive(record.inputs)}
        )

    async def read(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return a record as it is; `None` for a session marked as deleted.

        Raises:
            SessionNotFoundError: There is none, or it has expired.
            RecordUnreadableError: It cannot be understood.
            StorageUnavailableError: Safe to try again.
        """
        key = _key(tenant, session_id)
        try:
            content = await self._store.read(key, max_bytes=MAX_RECORD_BYTES)
        except ObjectNotFoundError as fault:
            raise SessionNotFoundError(session_id) from fault
        except ObjectTooLargeError as fault:
            raise RecordUnreadableError(f"the record at {key!r} is too large") from fault
        return self._parsed(content, session_id)

    async def change(
        self,
        tenant: str,
        session_id: str,
        change: Callable[[SessionRecord], SessionRecord],
    ) -> None:
        """Replace a record by what `change` makes of it, and lose no other's change.

        Raises:
            SessionNotFoundError: There is none, or it has expired or was deleted.
            RecordUnreadableError: It cannot be understood.
            StorageUnavailableError: Changed or not.
            Exception: Whatever `change` raises passes through; nothing is changed.
        """

        def changed(content: bytes) -> bytes:
            record = self._parsed(content, session_id)
            if record is None:
                raise SessionNotFoundError(session_id)
            return write_record(change(record))

        key = _key(tenant, session_id)
        try:
            await self._store.update(key, changed, max_bytes=MAX_RECORD_BYTES)
        except ObjectNotFoundError as fault:
            raise SessionNotFoundError(session_id) from fault
        except ObjectTooLargeError as fault:
            raise RecordUnreadableError(f"the record at {key!r} is too large") from fault

    async def mark_deleted(self, tenant: str, session_id: str) -> None:
        """Have the session found by nobody any more, though its bytes may be there.

        Raises:
            StorageUnavailableError: Marked or not; safe to repeat.
        """
        await self._store.put(
            record_key(tenant, session_id), _once(DELETED), max_bytes=len(DELETED)
        )

    def _parsed(self, content: bytes, session_id: str) -> SessionRecord | None:
        record = self._parsed_lately.parse(content, session_id)
        if record is not None and self._is_expired(record.created_at):
            self.expired_count += 1
            raise SessionNotFoundError(session_id)
        return record

    def _alive(self, entries: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        alive = tuple(entry for entry in entries if not self._is_expired(entry.created_at))
        self.expired_count += len(entries) - len(alive)
        return alive

    def _is_expired(self, created_at: datetime) -> bool:
        return self._clock() - created_at >= self._max_age


def _key(tenant: str, session_id: str) -> str:
    require_tenant(tenant)
    if not is_id(session_id):
        raise SessionNotFoundError(session_id)
    return record_key(tenant, session_id)


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
