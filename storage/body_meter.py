"""Measures a body while it passes by."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable

from storage.errors import ObjectTooLargeError
from storage.ports import StoredObject


class BodyMeter:
    """Counts and hashes one body, and stops it beyond `max_bytes`."""

    def __init__(self, key: str, *, max_bytes: int) -> None:
        self._key = key
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._digest = hashlib.sha256()

    async def measured(self, body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """Pass `body` on, piece by piece, taking note of each before it goes anywhere.

        Raises:
            ObjectTooLargeError: The body exceeds `max_bytes`.
        """
        async for chunk in body:
            self._size_bytes += len(chunk)
            if self._size_bytes > self._max_bytes:
                raise ObjectTooLargeError(self._key, max_bytes=self._max_bytes)
            self._digest.update(chunk)
            yield chunk

    def receipt(self, *, etag: str) -> StoredObject:
        """Return the receipt of what has passed so far."""
        return StoredObject(
            key=self._key,
            size_bytes=self._size_bytes,
            sha256=self._digest.hexdigest(),
            etag=etag,
        )
