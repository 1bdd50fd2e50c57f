"""An `ObjectStore` that watches another one: what fails is counted, every call is shown."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Literal

from typing_extensions import override

from storage.errors import StorageUnavailableError
from storage.ports import ObjectStore, OpenedObject, StoredObject

Operation = Literal["put", "open", "read", "update", "delete", "delete_prefix", "check"]


class ObservedObjectStore(ObjectStore):
    """Passes everything on to `inner`."""

    def __init__(
        self, inner: ObjectStore, *, around: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        """Watch `inner`; every call is made within `around(operation)`."""
        self._inner = inner
        self._around = around
        self.errors: Counter[str] = Counter()
        """How often the backend failed, by `Operation`. What is not there is no failure."""

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        with self._watched("put"):
            return await self._inner.put(key, body, max_bytes=max_bytes)

    @override
    @asynccontextmanager
    async def open(self, key: str) -> AsyncGenerator[OpenedObject, None]:
        async with AsyncExitStack() as stack:
            with self._watched("open"):
                opened = await stack.enter_async_context(self._inner.open(key))
            yield OpenedObject(
                key=opened.key,
                size_bytes=opened.size_bytes,
                chunks=self._counted(opened.chunks),
            )

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in chunks:
                yield chunk
        except StorageUnavailableError:
            self.errors["open"] += 1
            raise

    @override
    async def read(self, key: str, *, max_bytes: int) -> bytes:
        with self._watched("read"):
            return await self._inner.read(key, max_bytes=max_bytes)

    @override
    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        with self._watched("update"):
            await self._inner.update(key, change, max_bytes=max_bytes)

    @override
    async def delete(self, key: str) -> None:
        with self._watched("delete"):
            await self._inner.delete(key)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        with self._watched("delete_prefix"):
            return await self._inner.delete_prefix(prefix)

    @override
    async def check(self) -> None:
        with self._watched("check"):
            await self._inner.check()

    @contextmanager
    def _watched(self, operation: Operation) -> Generator[None, None, None]:
        with self._around(operation):
            try:
                yield
            except StorageUnavailableError:
                self.errors[operation] += 1
                raise
