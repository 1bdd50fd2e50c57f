"""The port every object store implements. Adapters live beside it."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """A receipt for stored bytes."""

    key: str
    size_bytes: int
    sha256: str
    """Hex digest, 64 lowercase characters, of exactly the bytes stored."""
    etag: str
    """The backend's entity tag, without quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedObject:
    """An object being read."""

    key: str
    size_bytes: int
    chunks: AsyncIterator[bytes]
    """The bytes, in pieces of at most a few hundred KiB. Raises
    `StorageUnavailableError` where the backend fails midway; what was read is then
    a prefix, and only a new `open` may be tried."""


@runtime_checkable
class ObjectStore(Protocol):
    """Keeps objects by key. Keys are `/`-separated and never start with `/`."""

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        max_bytes: int,
    ) -> StoredObject:
        """Store `body` under `key`, replacing what was there.

        Args:
            key: Where to keep the object.
            body: Read to its end, in pieces of any size; at most a few MB are held in
                memory, whatever the length.
            max_bytes: Most bytes to accept. A body of exactly this size is kept.

        Raises:
            ObjectTooLargeError: `body` is larger. `key` is left as it was.
            StorageUnavailableError: The backend failed. `key` is left as it was, or holds
                the whole body; safe to try again with a fresh `body`.
            Exception: Whatever `body` raises passes through; `key` is left as it was.
        """
        ...

    def open(self, key: str) -> AbstractAsyncContextManager[OpenedObject]:
        """Open the object at `key` for reading; closed when the block ends.

        Raises:
            ObjectNotFoundError: Nothing is stored at `key`.
            StorageUnavailableError: The backend failed; safe to try again.
        """
        ...

    async def read(self, key: str, *, max_bytes: int) -> bytes:
        """Return a small object whole.

        Raises:
            ObjectNotFoundError: Nothing is stored at `key`.
            ObjectTooLargeError: It is larger than `max_bytes`; its body is not read.
            StorageUnavailableError: The backend failed; safe to try again.
        """
        ...

    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        """Replace a small object by what `change` makes of it, and lose no other's change.

        `change` is called again with what is there now, whenever somebody else was faster.
        On S3 that is a conditional write (`If-Match`).

        Raises:
            ObjectNotFoundError: Nothing is stored at `key`.
            ObjectTooLargeError: The old or the new content is larger than `max_bytes`.
            StorageUnavailableError: The backend failed, or the object never stood still.
                It is as it was, or changed; safe to repeat if `change` is.
            Exception: Whatever `change` raises passes through; the object is as it was.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete one object. Deleting what is not there is not an error.

        Raises:
            StorageUnavailableError: The backend failed; safe to repeat.
        """
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix`; return how many.

        `prefix` ends with `/`, so that one session's id can never match another's that
        merely begins with it (librechat-contract 8, trap 18). Deleting nothing is not an
        error, so a clean-up may be repeated.

        Raises:
            ValueError: `prefix` does not end with `/`.
            StorageUnavailableError: The backend failed; some may be gone; safe to repeat.
        """
        ...

    async def check(self) -> None:
        """Ask the backend whether it answers, within a few seconds.

        Raises:
            StorageUnavailableError: It does not, or the bucket is not there.
        """
        ...
