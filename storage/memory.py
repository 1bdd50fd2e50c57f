"""`ObjectStore` in this process's memory, for tests that need no server."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager

from typing_extensions import override

from storage.body_meter import BodyMeter
from storage.errors import ObjectNotFoundError, ObjectTooLargeError
from storage.ports import ObjectStore, OpenedObject, StoredObject

_PIECE_BYTES = 64 * 1024


class MemoryObjectStore(ObjectStore):
    """Keeps objects in a dictionary, whole; they end with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        meter = BodyMeter(key, max_bytes=max_bytes)
        content = bytearray()
        async for chunk in meter.measured(body):
            content += chunk
        self._objects[key] = bytes(content)
        return meter.receipt(etag=hashlib.md5(content, usedforsecurity=False).hexdigest())

    @override
    @asynccontextmanager
    async def open(self, key: str) -> AsyncGenerator[OpenedObject, None]:
        content = self._content(key)

        async def chunks() -> AsyncGenerator[bytes, None]:
            for start in range(0, len(content), _PIECE_BYTES):
                yield content[start : start + _PIECE_BYTES]

        yield OpenedObject(key=key, size_bytes=len(content), chunks=chunks())

    @override
    async def read(self, key: str, *, max_bytes: int) -> bytes:
        content = self._content(key)
        if len(content) > max_bytes:
            raise ObjectTooLargeError(key, max_bytes=max_bytes)
        return content

    @override
    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        # Nothing is awaited that could let anybody in between.
        changed = change(await self.read(key, max_bytes=max_bytes))
        if len(changed) > max_bytes:
            raise ObjectTooLargeError(key, max_bytes=max_bytes)
        self._objects[key] = changed

    @override
    async def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        if not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} does not end with '/'")
        doomed = [key for key in self._objects if key.startswith(prefix)]
        for key in doomed:
            del self._objects[key]
        return len(doomed)

    @override
    async def check(self) -> None:
        return None

    def _content(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectNotFoundError(key) from None
