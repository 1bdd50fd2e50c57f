"""Uploads are streams: their size does not show in memory, and their end is watched."""

import asyncio
import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from api.multipart_form import FilePart, FormField, form_parts
from storage.memory import MemoryObjectStore
from storage.ports import StoredObject
from storage.records import SessionRecord
from storage.sessions import Sessions
from tests.api.service import (
    FORM,
    TENANT,
    Connection,
    Service,
    field_part,
    file_part,
    make_app,
    make_settings,
    multipart,
)

MB = 1_000_000

HEAD = (
    b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
)
TAIL = b"\r\n--b0undary--\r\n"
TYPE = {"content_type": FORM["Content-Type"]}


class ForgetfulStore(MemoryObjectStore):
    """Takes files of any size, and remembers only what a receipt says of them."""

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        if key.endswith("record.json"):
            return await super().put(key, body, max_bytes=max_bytes)
        size_bytes, digest = 0, hashlib.sha256()
        async for chunk in body:
            size_bytes += len(chunk)
            digest.update(chunk)
        return StoredObject(key=key, size_bytes=size_bytes, sha256=digest.hexdigest(), etag="e")


@pytest.mark.anyio
class TestMemory:
    @pytest.mark.parametrize("chunk_bytes", [1_000, 65_536, 1_000_003])
    async def test_50_mb_pass_through_a_few(self, chunk_bytes: int) -> None:
        size_bytes = 50 * MB
        settings = make_settings()
        store = ForgetfulStore()
        sessions = Sessions(store, max_age=settings.session_max_age)
        app = make_app(settings, store, sessions)
        connection = Connection(app, "POST", "/upload", **TYPE)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD
            for start in range(0, size_bytes, chunk_bytes):
                yield bytes(min(chunk_bytes, size_bytes - start))
            yield TAIL

        gc.collect()
        tracemalloc.start()
        try:
            await connection.ask(body())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert connection.status == 200
        record = await sessions.load(TENANT, connection.json["session_id"])
        assert record.files[0].size_bytes == size_bytes
        assert peak_bytes < 4 * MB

    async def test_a_body_is_not_read_beyond_the_limit(self, service: Service) -> None:
        sent_bytes = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent_bytes
            yield HEAD
            while True:
                sent_bytes += MB
                yield bytes(MB)

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(endless())

        assert connection.status == 413
        assert sent_bytes < 55 * MB


@pytest.mark.anyio
class TestEnding:
    async def left_behind(self, service: Service) -> int:
        return await service.store.delete_prefix(f"{TENANT}/")

    async def test_a_client_that_leaves_leaves_nothing_behind(self, service: Service) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield multipart(file_part("first.txt"))[: -len(b"--b0undary--\r\n")]
            yield HEAD + bytes(MB)

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(body(), then_leave=True)

        assert connection.status == 499
        assert await self.left_behind(service) == 0

    async def test_a_server_that_stops_leaves_nothing_behind(self, service: Service) -> None:
        begun = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield multipart(file_part("first.txt"))[: -len(b"--b0undary--\r\n")]
            yield HEAD + bytes(MB)
            begun.set()
            await asyncio.Event().wait()

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        asking = asyncio.create_task(connection.ask(body()))
        await begun.wait()

        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await self.left_behind(service) == 0

    async def test_a_client_that_stalls_is_timed_out(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.body.PACE_S", 0.05)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD + bytes(MB)
            await asyncio.Event().wait()

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(body())

        assert connection.status == 504
        assert connection.json["error"] == "Upload timeout"
        assert await self.left_behind(service) == 0

    async def test_a_client_that_trickles_is_timed_out(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each byte comes in time, but the file never would."""
        monkeypatch.setattr("api.body.PACE_S", 0.1)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD
            while True:
                yield b"x"
                await asyncio.sleep(0.01)

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(body())

        assert connection.status == 504
        assert connection.json["error"] == "Upload timeout"
        assert await self.left_behind(service) == 0

    async def test_a_slow_line_gets_the_time_that_its_bytes_need(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.body.PACE_S", 0.1)
        monkeypatch.setattr("api.body.PACE_BYTES", 10_000)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD
            for _ in range(10):
                yield bytes(10_000)
                await asyncio.sleep(0.05)
            yield TAIL

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(body())

        assert connection.status == 200

    async def test_storage_that_takes_its_time_is_not_the_clients_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.body.PACE_S", 0.05)

        class SlowStore(MemoryObjectStore):
            @override
            async def put(
                self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
            ) -> StoredObject:
                await asyncio.sleep(0.1)
                return await super().put(key, body, max_bytes=max_bytes)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD
            await asyncio.sleep(0)
            yield b"x" + TAIL

        sessions = Sessions(SlowStore(), max_age=timedelta(hours=1))
        app = make_app(make_settings(), SlowStore(), sessions)
        connection = Connection(app, "POST", "/upload", **TYPE)
        await connection.ask(body())

        assert connection.status == 200

    async def test_a_record_that_cannot_be_written_takes_the_files_along(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(_tenant: str, _record: SessionRecord) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(service.sessions, "save", fail)

        async def body() -> AsyncIterator[bytes]:
            yield HEAD + b"x" + TAIL

        connection = Connection(service.app, "POST", "/upload", **TYPE)
        await connection.ask(body())

        assert connection.status == 500
        assert await self.left_behind(service) == 0


@given(
    cuts=st.lists(st.integers(0, 400), max_size=12),
    content=st.binary(max_size=60).map(lambda raw: raw.replace(b"b0undary", b"")),
)
def test_where_a_body_is_cut_does_not_matter(cuts: list[int], content: bytes) -> None:
    body = multipart(
        field_part("kind", "user"),
        b'Content-Disposition: form-data; name="f"; filename="a/b.bin"\r\n\r\n' + content,
        field_part("id", "x"),
    )
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]

    async def pieces() -> AsyncIterator[bytes]:
        for start, end in pairwise(edges):
            if start < end:
                yield body[start:end]

    async def read() -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        async for part in form_parts(pieces(), "b0undary"):
            if isinstance(part, FilePart):
                found.append((part.filename, b"".join([c async for c in part.chunks])))
            else:
                assert isinstance(part, FormField)
                found.append((part.name, part.value.encode()))
        return found

    assert asyncio.run(read()) == [("kind", b"user"), ("a/b.bin", content), ("id", b"x")]
