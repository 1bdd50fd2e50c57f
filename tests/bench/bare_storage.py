"""The object storage without the service: what a bare client gets, and quick filling."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256

import obstore
from obstore.store import S3Store

from storage.ids import new_id
from storage.record_format import write_record
from storage.records import FileEntry, SessionRecord
from storage.session_keys import file_key, record_key
from tests.live.running_service_caller import StoredFile

PREFIX = "sessions/"
"""The default of `S3_PREFIX`."""

PARALLEL_WRITES = 64
_PART = 2_000
"""So many are written between two words of progress."""

TENANT = "first"
"""The first tenant of `tests.live.running_service`."""


class BareStorage:
    """A client as anybody would write it, with the service's own keys."""

    def __init__(self, *, endpoint_url: str, secret_access_key: str) -> None:
        self._store = S3Store(
            "code-command",
            config={
                "endpoint": endpoint_url,
                "region": "us-east-1",
                "access_key_id": "code-command",
                "secret_access_key": secret_access_key,
            },
            client_options={"allow_http": True},
        )

    def put(self, key: str, content: bytes) -> float:
        """Store an object; return the milliseconds that took."""
        began_at = time.perf_counter()
        obstore.put(self._store, key, content)
        return (time.perf_counter() - began_at) * 1000

    def get(self, key: str) -> tuple[bytes, float]:
        """Return an object, and the milliseconds that took."""
        began_at = time.perf_counter()
        content = bytes(obstore.get(self._store, key).bytes())
        return content, (time.perf_counter() - began_at) * 1000

    def add_session(self, contents: Iterable[tuple[str, bytes]]) -> list[StoredFile]:
        """Store a session with files as an upload would; return where they are."""
        files = dict(contents)
        record, objects = _session(files)
        asyncio.run(self._write(iter(objects)))
        return [StoredFile(record.session_id, entry.id, entry.name) for entry in record.files]

    def add_records(self, count: int, progress: Callable[[int], None]) -> None:
        """Store the records of `count` sessions of one file each, many at a time.

        A record is all that there is of a session to be looked up; the files' bytes would
        double the time.
        """
        done = 0
        while done < count:
            part = min(_PART, count - done)
            asyncio.run(self._write(_session({"note.txt": b"x"})[1][-1] for _ in range(part)))
            done += part
            progress(done)

    async def _write(self, objects: Iterable[tuple[str, bytes]]) -> None:
        source = iter(objects)

        async def write_some() -> None:
            for key, content in source:
                await obstore.put_async(self._store, PREFIX + key, content, use_multipart=False)

        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL_WRITES):
                group.create_task(write_some())


def _session(files: dict[str, bytes]) -> tuple[SessionRecord, list[tuple[str, bytes]]]:
    """Make a session's record, and all its objects by key, the record last."""
    session_id = new_id()
    now = datetime.now(UTC)
    entries = tuple(
        FileEntry(
            id=new_id(),
            name=name,
            storage_session_id=session_id,
            size_bytes=len(content),
            sha256=sha256(content).hexdigest(),
            etag="0" * 32,
            content_type="text/plain",
            created_at=now,
        )
        for name, content in files.items()
    )
    record = SessionRecord(
        session_id=session_id,
        origin="upload",
        user=TENANT,
        created_at=now,
        files=entries,
    )
    objects = [(file_key(TENANT, session_id, entry.id), files[entry.name]) for entry in entries]
    return record, [*objects, (record_key(TENANT, session_id), write_record(record))]
