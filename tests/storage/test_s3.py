"""What the S3 adapter makes of services that fail, each in its own way."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager

import boto3.session
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from typing_extensions import override

from storage.errors import StorageUnavailableError
from storage.s3 import S3ObjectStore
from storage.s3_upload import PART_BYTES, given_up
from storage.settings import StorageSettings

pytestmark = pytest.mark.anyio

PATIENCE_S = 5
"""A client that waits for us hears of a dead service within this time."""

OBJECT_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
    b'Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT\r\nETag: "abc"\r\n\r\n'
)


async def body(size_bytes: int) -> AsyncGenerator[bytes, None]:
    for _ in range(0, size_bytes, 65_536):
        yield b"x" * 65_536


async def open_and_read(store: S3ObjectStore) -> None:
    async with store.open("s/a") as opened:
        async for _ in opened.chunks:
            pass


Call = Callable[[S3ObjectStore], Coroutine[object, object, object]]

READS: dict[str, Call] = {
    "open": open_and_read,
    "read": lambda store: store.read("s/a", max_bytes=10),
    "delete_prefix": lambda store: store.delete_prefix("s/"),
    "check": lambda store: store.check(),
    "update": lambda store: store.update("s/a", lambda _: b"", max_bytes=10),
    "delete": lambda store: store.delete("s/a"),
}
WRITES: dict[str, Call] = {
    "put of one part": lambda store: store.put("s/a", body(1), max_bytes=PART_BYTES),
    "put of several parts": lambda store: store.put(
        "s/a", body(3 * PART_BYTES), max_bytes=4 * PART_BYTES
    ),
}

every_call = pytest.mark.parametrize(
    "call",
    [pytest.param(call, id=name.replace(" ", "-")) for name, call in (READS | WRITES).items()],
)


class CannedAnswer(asyncio.Protocol):
    """Answers any request with the same bytes, and then hangs up, or keeps silent."""

    def __init__(
        self, answer: bytes, *, hang_up: bool, connections: list[asyncio.Transport]
    ) -> None:
        self._answer = answer
        self._hang_up = hang_up
        self._connections = connections

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.append(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)
        if self._hang_up:
            self._transport.close()


def store_at(port: int, *, bucket: str = "bucket") -> S3ObjectStore:
    return S3ObjectStore(
        StorageSettings(
            s3_endpoint_url=f"http://127.0.0.1:{port}",
            s3_bucket=bucket,
            s3_access_key_id="some-key",
            s3_secret_access_key=SecretStr("some-secret"),
        )
    )


@asynccontextmanager
async def store_that_answers(
    answer: bytes, *, hang_up: bool
) -> AsyncGenerator[S3ObjectStore, None]:
    connections: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: CannedAnswer(answer, hang_up=hang_up, connections=connections),
        "127.0.0.1",
        0,
    )
    try:
        yield store_at(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in connections:
            connection.abort()
        # obstore's threads would go on to speak to a loop that is closed. Those of earlier
        # tests' loops have nobody to speak to any more.
        ours = [each for each in given_up if each.get_loop() is asyncio.get_running_loop()]
        await asyncio.gather(*ours, return_exceptions=True)
        await asyncio.sleep(0)  # The loop closes their sockets in its next turn.


@pytest.fixture(scope="module")
def moto_port() -> Generator[int, None, None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


async def seconds_to_fail(call: Call, store: S3ObjectStore) -> float:
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        await call(store)
    return time.monotonic() - started


class TestAServiceThatIsGone:
    @every_call
    async def test_is_reported_within_seconds(self, call: Call) -> None:
        port_where_nobody_listens = 1

        assert await seconds_to_fail(call, store_at(port_where_nobody_listens)) < PATIENCE_S


class TestASilentService:
    async def test_is_given_up_on_within_seconds_by_all_that_read_and_write(self) -> None:
        async with store_that_answers(b"", hang_up=False) as store:
            durations_s = await asyncio.gather(
                *(seconds_to_fail(call, store) for call in (READS | WRITES).values())
            )

        assert max(durations_s) < PATIENCE_S

    async def test_is_given_up_on_when_it_falls_silent_within_an_object(self) -> None:
        async with store_that_answers(OBJECT_HEAD + b"x" * 300_000, hang_up=False) as store:
            assert await seconds_to_fail(open_and_read, store) < PATIENCE_S


class TestABrokenConnection:
    async def test_within_an_object_is_not_taken_for_its_end(self) -> None:
        async with store_that_answers(OBJECT_HEAD + b"x" * 300_000, hang_up=True) as store:
            await seconds_to_fail(open_and_read, store)


class TestAnotherServiceAtTheAddress:
    @every_call
    async def test_is_no_reason_to_call_an_object_missing(self, call: Call) -> None:
        not_found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

        async with store_that_answers(not_found, hang_up=True) as store:
            await seconds_to_fail(call, store)


class TestAMissingBucket:
    @every_call
    async def test_is_no_reason_to_call_an_object_missing(
        self, moto_port: int, call: Call
    ) -> None:
        await seconds_to_fail(call, store_at(moto_port, bucket="never-made"))


class TestAnAbandonedUpload:
    """Parts of an unfinished upload are stored, and paid for, without being visible."""

    @pytest.fixture
    def bucket(self, moto_port: int) -> Generator[str, None, None]:
        bucket = f"bucket-{time.monotonic_ns()}"
        self.client = boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{moto_port}",
            region_name="us-east-1",
            aws_access_key_id="some-key",
            aws_secret_access_key="some-secret",
        )
        self.client.create_bucket(Bucket=bucket)
        yield bucket
        self.client.close()

    def uploads(self, bucket: str) -> int:
        return len(self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))

    async def test_leaves_no_parts_when_the_body_fails(
        self, moto_port: int, bucket: str
    ) -> None:
        seen: list[int] = []

        async def failing() -> AsyncGenerator[bytes, None]:
            async for piece in body(3 * PART_BYTES):
                yield piece
            seen.append(await asyncio.to_thread(self.uploads, bucket))
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await store_at(moto_port, bucket=bucket).put(
                "s/a", failing(), max_bytes=4 * PART_BYTES
            )

        assert seen == [1]
        assert self.uploads(bucket) == 0

    async def test_leaves_no_parts_when_the_caller_is_cancelled(
        self, moto_port: int, bucket: str
    ) -> None:
        at_the_end = asyncio.Event()

        async def stalling() -> AsyncGenerator[bytes, None]:
            async for piece in body(3 * PART_BYTES):
                yield piece
            at_the_end.set()
            await asyncio.Event().wait()

        putting = asyncio.create_task(
            store_at(moto_port, bucket=bucket).put("s/a", stalling(), max_bytes=4 * PART_BYTES)
        )
        await at_the_end.wait()
        putting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await putting
        assert self.uploads(bucket) == 0
