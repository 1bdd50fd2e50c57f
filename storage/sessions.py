"""Sessions and their files, kept as objects: who may find what, and for how long.

A tenant's objects lie under `{tenant}/{session_id}/`: the bytes of each file at
`files/{file_id}`, and one `record.json`, written after them. What has no record does not
exist for anybody; a crash leaves such orphans to the bucket's expiry rule.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from storage.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    RecordUnreadableError,
    SessionNotFoundError,
    StoredFileNotFoundError,
)
from storage.ids import is_id, new_id
from storage.ports import ObjectStore, OpenedObject
from storage.records import FileEntry, SessionRecord
from storage.session_keys import file_key, record_key, require_tenant, session_folder

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""Longest record written or read. An entry takes about 500 bytes, so this is thousands."""

_DELETED = b""
"""In place of a record: the session is gone, though some of its bytes may be left."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """The sessions in one object store.

    Every method takes the tenant from the caller's credentials, never from a request: the
    keys of another tenant cannot even be spelled. A tenant's name that is not 1 to 64 of
    `A-Za-z0-9_-` is a `ValueError` everywhere.

    Args:
        store: Where the objects are.
        max_age: How long a session, and each file by itself, is served after its creation.
        clock: Returns the present, with its time zone.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        max_age: timedelta,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._max_age = max_age
        self._clock = clock

    async def store_file(  # noqa: PLR0913 - the facts that only a file's writer knows
        self,
        tenant: str,
        session_id: str,
        *,
        name: str,
        body: AsyncIterable[bytes],
        content_type: str,
        max_bytes: int,
        read_only: bool = False,
        entity_id: str | None = None,
    ) -> FileEntry:
        """Store the bytes of one file under a fresh id; return its entry for the record.

        The file can be found once a record that lists it is saved.

        Raises:
            ValueError: `session_id` is not an id.
            ObjectTooLargeError: `body` exceeds `max_bytes`; nothing is kept.
            StorageUnavailableError: Nothing is kept that could be found; safe to try again
                with a fresh `body`.
            Exception: Whatever `body` raises passes through; nothing is kept.
        """
        file_id = new_id()
        # Read before the bytes are sent, so that they never expire in the bucket before
        # they do here: S3 dates a multipart upload by its beginning.
        created_at = self._clock()
        stored = await self._store.put(
            file_key(tenant, session_id, file_id), body, max_bytes=max_bytes
        )
        return FileEntry(
            id=file_id,
            name=name,
            storage_session_id=session_id,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            etag=stored.etag,
            content_type=content_type,
            created_at=created_at,
            read_only=read_only,
            entity_id=entity_id,
        )

    async def save(self, tenant: str, record: SessionRecord) -> None:
        """Make a session known. Its files have been stored before.

        Raises:
            ObjectTooLargeError: The record exceeds `MAX_RECORD_BYTES`; it is not kept.
            StorageUnavailableError: The record is kept or not; safe to repeat.
        """

        async def body() -> AsyncGenerator[bytes, None]:
            yield record.model_dump_json().encode()

        await self._store.put(
            record_key(tenant, record.session_id), body(), max_bytes=MAX_RECORD_BYTES
        )

    async def load(self, tenant: str, session_id: str) -> SessionRecord:
        """Return what is known of a session, without the files that have expired.

        Raises:
            SessionNotFoundError: The tenant has no such session, or it has expired.
            RecordUnreadableError: Its record cannot be understood.
            StorageUnavailableError: Safe to try again.
        """
        record = await self._record(tenant, session_id)
        if record is None or self._is_expired(record.created_at):
            raise SessionNotFoundError(session_id)
        return record.model_copy(
            update={
                "files": tuple(
                    entry for entry in record.files if not self._is_expired(entry.created_at)
                )
            }
        )

    async def find_file(self, tenant: str, session_id: str, file_id: str) -> FileEntry:
        """Return the entry of one file that the session ended with.

        The session of an execution lists its untouched inputs too, each with the session
        that holds its bytes. So a client that asks for an input under the execution's id
        finds it all the same (librechat-contract 7.3, item 5).

        Raises:
            SessionNotFoundError: As `load`.
            StoredFileNotFoundError: The session has no such file, or it has expired.
            RecordUnreadableError: As `load`.
            StorageUnavailableError: Safe to try again.
        """
        record = await self.load(tenant, session_id)
        for entry in record.files:
            if entry.id == file_id:
                return entry
        raise StoredFileNotFoundError(session_id, file_id)

    @asynccontextmanager
    async def open_file(
        self, tenant: str, entry: FileEntry
    ) -> AsyncGenerator[OpenedObject, None]:
        """Open the bytes of a file for reading; closed when the block ends.

        Raises:
            StoredFileNotFoundError: The bytes are gone, though an entry names them.
            StorageUnavailableError: Safe to try again.
        """
        key = file_key(tenant, entry.storage_session_id, entry.id)
        async with AsyncExitStack() as stack:
            try:
                opened = await stack.enter_async_context(self._store.open(key))
            except ObjectNotFoundError as fault:
                raise StoredFileNotFoundError(entry.storage_session_id, entry.id) from fault
            yield opened

    async def delete(self, tenant: str, session_id: str) -> None:
        """Delete a session and every file stored under it.

        Raises:
            SessionNotFoundError: The tenant has no such session, or it has expired.
            RecordUnreadableError: Its record cannot be understood; nothing is deleted.
            StorageUnavailableError: Safe to repeat, which finishes what was begun. The
                session can be found as before, or for good not at all.
        """
        # First the record is overwritten: from here on the session cannot be found, so no
        # crash leaves a record that names missing bytes. The mark is removed last, after
        # the bytes: a deletion that stopped midway can be asked for again, and is then
        # finished instead of being answered with "no such session".
        record = await self._record(tenant, session_id)
        if record is not None:
            if self._is_expired(record.created_at):
                raise SessionNotFoundError(session_id)
            await self._store.put(record_key(tenant, session_id), _nothing(), max_bytes=0)
        folder = session_folder(tenant, session_id)
        await self._store.delete_prefix(f"{folder}files/")
        await self._store.delete_prefix(folder)

    async def discard(self, tenant: str, session_id: str) -> None:
        """Remove whatever was stored for a session that never got a record.

        Removing nothing is not an error.

        Raises:
            ValueError: `session_id` is not an id.
            StorageUnavailableError: Safe to repeat. What is left cannot be found by
                anybody, and the bucket's expiry rule removes it.
        """
        await self._store.delete_prefix(session_folder(tenant, session_id))

    async def _record(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the record, expired or not; `None` for a session marked as deleted."""
        require_tenant(tenant)
        if not is_id(session_id):
            raise SessionNotFoundError(session_id)
        key = record_key(tenant, session_id)
        try:
            content = await self._store.read(key, max_bytes=MAX_RECORD_BYTES)
        except ObjectNotFoundError as fault:
            raise SessionNotFoundError(session_id) from fault
        except ObjectTooLargeError as fault:
            raise RecordUnreadableError(f"the record at {key!r} is too large") from fault
        if content == _DELETED:
            return None
        try:
            record = SessionRecord.model_validate_json(content)
        except ValidationError as fault:
            raise RecordUnreadableError(f"no record at {key!r}: {_reasons(fault)}") from None
        if record.session_id != session_id:
            raise RecordUnreadableError(f"the record at {key!r} is that of another session")
        return record

    def _is_expired(self, created_at: datetime) -> bool:
        return self._clock() - created_at >= self._max_age


async def _nothing() -> AsyncGenerator[bytes, None]:
    yield _DELETED


def _reasons(fault: ValidationError) -> str:
    """Where and why a record is wrong, but nothing of what it says: names are private."""
    errors = fault.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(step) for step in error['loc'])}: {error['type']}"
        for error in errors[:5]
    )
