"""`ObjectStore` on any S3-compatible service."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import PreconditionError
from obstore.store import S3Store
from typing_extensions import override

from storage.body_meter import BodyMeter
from storage.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    StorageUnavailableError,
)
from storage.ports import ObjectStore, OpenedObject, StoredObject
from storage.s3_faults import translated_faults
from storage.s3_upload import put_whole, upload
from storage.settings import StorageSettings

if TYPE_CHECKING:
    from obstore import BytesStream
    from obstore.store import ClientConfig, RetryConfig, S3Config

_LEAST_PIECE_BYTES = 64 * 1024
_MOST_PIECE_BYTES = 256 * 1024
_KEYS_PER_PAGE = 1_000
"""S3 lists and deletes at most this many keys per request."""

_CONNECT_TIMEOUT = timedelta(seconds=2)
_READ_STALL_TIMEOUT = timedelta(seconds=4)
"""Longest silence of the service while something is read, listed or deleted."""
_WRITE_STALL_TIMEOUT = timedelta(seconds=20)
"""The same for writes. The clock does not stop while the request is being sent, so this is
also how long one part of 5 MiB may take: 2 Mbit/s will do. A service that is gone is noticed
sooner (`storage.s3_watch`)."""
_CHECK_TIMEOUT_S = 3.0
_UPDATE_ATTEMPTS = 20
_UPDATE_PAUSE_S = 0.02
"""Longest pause before the second attempt; it grows by as much with each."""

# A service that restarts is waited for; one that is gone is reported within five seconds.
# (obstore's own defaults go on for three minutes.)
_RETRIES: "RetryConfig" = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=3),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=1),
        "base": 2,
    },
}


class S3ObjectStore(ObjectStore):
    """Keeps objects in one bucket, under the prefix that the settings name.

    Connections are opened when needed and shared by all calls; nothing has to be closed.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._reads = read_client(settings)
        self._writes = _client(settings, stall_timeout=_WRITE_STALL_TIMEOUT)

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        meter = BodyMeter(key, max_bytes=max_bytes)
        async with aclosing(meter.measured(body)) as measured:
            result = await upload(self._writes, key, measured, ask=self.check)
        return meter.receipt(etag=(result["e_tag"] or "").strip('"'))

    @override
    @asynccontextmanager
    async def open(self, key: str) -> AsyncGenerator[OpenedObject, None]:
        with translated_faults(key):
            found = await obstore.get_async(self._reads, key)
            stream = found.stream(min_chunk_size=_LEAST_PIECE_BYTES)
        async with aclosing(_chunks(key, stream)) as chunks:
            yield OpenedObject(key=key, size_bytes=found.meta["size"], chunks=chunks)

    @override
    async def read(self, key: str, *, max_bytes: int) -> bytes:
        with translated_faults(key):
            found = await obstore.get_async(self._reads, key)
            if found.meta["size"] <= max_bytes:
                return (await found.bytes_async()).to_bytes()
        raise ObjectTooLargeError(key, max_bytes=max_bytes)

    @override
    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        for attempt in range(_UPDATE_ATTEMPTS):
            with translated_faults(key):
                found = await obstore.get_async(self._reads, key)
                if found.meta["size"] > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes=max_bytes)
                content = (await found.bytes_async()).to_bytes()
            changed = change(content)
            if len(changed) > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            if await self._replaced(key, changed, etag=found.meta["e_tag"]):
                return
            # Somebody was faster. Each at another moment, or they meet again.
            await asyncio.sleep(random.uniform(0, _UPDATE_PAUSE_S * (attempt + 1)))  # noqa: S311
        raise StorageUnavailableError(f"{key!r} was changed by others all the time")

    async def _replaced(self, key: str, content: bytes, *, etag: str | None) -> bool:
        """Replace the version that has `etag`; say whether it was still there."""
        try:
            await put_whole(self._writes, key, content, ask=self.check, if_etag=etag)
        except StorageUnavailableError as fault:
            if isinstance(fault.__cause__, PreconditionError):
                return False
            raise
        return True

    @override
    async def delete(self, key: str) -> None:
        with translated_faults(key):
            await obstore.delete_async(self._reads, key)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        if not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} does not end with '/'")
        deleted = 0
        with translated_faults(prefix):
            async for page in obstore.list(self._reads, prefix, chunk_size=_KEYS_PER_PAGE):
                await obstore.delete_async(self._reads, [found["path"] for found in page])
                deleted += len(page)
        return deleted

    @override
    async def check(self) -> None:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                with translated_faults(""):
                    # Of a prefix that holds nothing: cheap, and an error without a bucket.
                    await obstore.list_with_delimiter_async(self._reads, "health-check")
        except TimeoutError as fault:
            raise StorageUnavailableError("S3 did not answer in time") from fault


def read_client(settings: StorageSettings) -> S3Store:
    """Return what reads in the bucket, below the prefix, that the settings name."""
    return _client(settings, stall_timeout=_READ_STALL_TIMEOUT)


def _client(settings: StorageSettings, *, stall_timeout: timedelta) -> S3Store:
    config: S3Config = {"region": settings.s3_region}
    options: ClientConfig = {
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": stall_timeout,
        # For whole transfers, which may take as long as their slowest reader does.
        "timeout": timedelta(hours=1),
    }
    if settings.s3_endpoint_url is not None:
        config["endpoint"] = settings.s3_endpoint_url.rstrip("/")
        options["allow_http"] = settings.s3_endpoint_url.startswith("http://")
    if settings.s3_access_key_id is not None and settings.s3_secret_access_key is not None:
        config["access_key_id"] = settings.s3_access_key_id
        config["secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
    return S3Store(
        settings.s3_bucket,
        prefix=settings.s3_prefix,
        config=config,
        client_options=options,
        retry_config=_RETRIES,
    )


async def _chunks(key: str, stream: "BytesStream") -> AsyncGenerator[bytes, None]:
    pieces = aiter(stream)
    while True:
        try:
            with translated_faults(key):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except ObjectNotFoundError as fault:
            raise StorageUnavailableError(f"{key!r} was deleted while it was read") from fault
        for start in range(0, len(piece), _MOST_PIECE_BYTES):
            yield bytes(piece[start : start + _MOST_PIECE_BYTES])
