"""Sessions and their files, kept as objects: who may find what, and for how long.

A tenant's objects lie under `{tenant}/{session_id}/`: the bytes of each file at
`files/{file_id}`, and one `record.json`, written after them. What has no record does not
exist for anybody; a crash leaves such orphans to the bucket's expiry rule.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from storage.errors import (
    ObjectNotFoundError,
    SessionNotFoundError,
    StoredFileNotFoundError,
)
from storage.ids import new_id
from storage.ports import ObjectStore, OpenedObject
from storage.records import FileEntry, SessionRecord
from storage.session_keys import file_key, session_folder
from storage.session_records import SessionRecords


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _any(_record: SessionRecord) -> None:
    """Refuse nobody."""


def file_of(record: SessionRecord, file_id: str) -> FileEntry:
    """Return the entry of a file that the session ended with, or had as an input.

    Raises:
        StoredFileNotFoundError: There is none.
    """
    for entry in (*record.files, *record.inputs):
        if entry.id == file_id:
            return entry
    raise StoredFileNotFoundError(record.session_id, file_id)


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
        self._records = SessionRecords(store, max_age=max_age, clock=clock)
        self._clock = clock

    @property
    def expired_count(self) -> int:
        """How often a session, or a file of one, was asked for after its time."""
        return self._records.expired_count

    def now(self) -> datetime:
        """Return the present, by the clock that ages are counted with."""
        return self._clock()

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
        await self._records.save(tenant, record)

    async def load(self, tenant: str, session_id: str) -> SessionRecord:
        """Return what is known of a session, without the files that have expired.

        Raises:
            SessionNotFoundError: The tenant has no such session, or it has expired.
            RecordUnreadableError: Its record cannot be understood.
            StorageUnavailableError: Safe to try again.
        """
        return await self._records.load(tenant, session_id)

    async def find_file(self, tenant: str, session_id: str, file_id: str) -> FileEntry:
        """Return the entry of one file that the session ended with.

        Of an execution, these are also its inputs, each with the session that holds its
        bytes: clients of some versions ask for them under the execution's id
        (librechat-contract 7.3, item 5).

        Raises:
            SessionNotFoundError: As `load`.
            StoredFileNotFoundError: The session has no such file, or it has expired, or was
                deleted from the session that holds its bytes.
            RecordUnreadableError: As `load`.
            StorageUnavailableError: Safe to try again.
        """
        record = await self.load(tenant, session_id)
        entry = file_of(record, file_id)
        await self.confirm(tenant, session_id, [entry])
        return entry

    async def confirm(self, tenant: str, session_id: str, entries: Iterable[FileEntry]) -> None:
        """Make sure that files which a session names have not been deleted where they lie.

        An execution's input can be deleted from its own session, and is then gone under
        every other one as well. What lies in `session_id` itself needs no second look.

        Raises:
            StoredFileNotFoundError: One was deleted.
            RecordUnreadableError: As `load`.
            StorageUnavailableError: Safe to try again.
        """
        elsewhere: dict[str, list[FileEntry]] = {}
        for entry in entries:
            if entry.storage_session_id != session_id:
                elsewhere.setdefault(entry.storage_session_id, []).append(entry)

        async def look(home_id: str, wanted: list[FileEntry]) -> None:
            try:
                home = await self.load(tenant, home_id)
            except SessionNotFoundError as fault:
                raise StoredFileNotFoundError(home_id, wanted[0].id) from fault
            for entry in wanted:
                file_of(home, entry.id)

        looks = (look(home_id, wanted) for home_id, wanted in elsewhere.items())
        for outcome in await asyncio.gather(*looks, return_exceptions=True):
            if outcome is not None:
                raise outcome

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

    async def delete_file(
        self,
        tenant: str,
        session_id: str,
        file_id: str,
        *,
        check: Callable[[SessionRecord], None],
    ) -> None:
        """Delete one file from a session.

        The bytes go where the session holds them itself. An execution's input is only taken
        off the execution's record; the session that holds it keeps it.

        Deletions at the same time, of files or of the whole session, do not undo each other:
        the record is changed by a conditional write. Of two that delete the same file, one
        finds nothing. (A service that ignores `If-Match` would let the last writer win: a
        file deleted at the same moment as another could then still be listed. Its bytes are
        gone all the same.)

        Args:
            tenant: As everywhere.
            session_id: The session.
            file_id: The file.
            check: Called with the record; may raise to refuse. The record is then unchanged.

        Raises:
            SessionNotFoundError: As `load`.
            StoredFileNotFoundError: The session has no such file.
            RecordUnreadableError: As `load`.
            StorageUnavailableError: Safe to repeat. If it then says that there is no such
                file, it was deleted; bytes that are left can be found by nobody.
        """

        def without_file(record: SessionRecord) -> SessionRecord:
            check(record)
            file_of(record, file_id)
            return record.model_copy(
                update={
                    "files": tuple(file for file in record.files if file.id != file_id),
                    "inputs": tuple(file for file in record.inputs if file.id != file_id),
                }
            )

        await self._records.change(tenant, session_id, without_file)
        # Of a file that lies elsewhere there is nothing at this key.
        await self._store.delete(file_key(tenant, session_id, file_id))

    async def delete(
        self, tenant: str, session_id: str, *, check: Callable[[SessionRecord], None] = _any
    ) -> None:
        """Delete a session and every file stored under it.

        Args:
            tenant: As everywhere.
            session_id: The session.
            check: Called with the record; may raise to refuse. Not called for a session
                whose deletion somebody has begun: whoever asks may finish that.

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
        record = await self._records.read(tenant, session_id)
        if record is not None:
            check(record)
            await self._records.mark_deleted(tenant, session_id)
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
