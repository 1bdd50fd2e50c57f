"""Our objects on a real S3 server, as seen by a client that is none of our code."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from minio import Minio
from pydantic import SecretStr

from storage.bucket import BucketAccessDeniedError, BucketAdmin
from storage.errors import SessionNotFoundError, StorageUnavailableError
from storage.ids import new_id
from storage.records import SessionRecord
from storage.s3 import S3ObjectStore
from storage.sessions import Sessions
from storage.settings import StorageSettings
from tests.live.s3_server import S3Server, running_s3_server

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
BUCKET = "code-command"
LARGE_BYTES = 50 * MIB
PIECE = bytes(range(256)) * 256


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server, None, None]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: S3Server) -> StorageSettings:
    """Of a bucket that was prepared as our processes do it when they start."""
    settings = server.settings(bucket=BUCKET)
    prepare(settings)
    return settings


@pytest.fixture
def store(settings: StorageSettings) -> S3ObjectStore:
    return S3ObjectStore(settings)


@pytest.fixture
def stranger(server: S3Server) -> Minio:
    """An independent client with the same credentials."""
    return Minio(
        server.address,
        access_key=server.access_key_id,
        secret_key=server.secret_access_key,
        secure=False,
    )


def prepare(settings: StorageSettings) -> None:
    admin = BucketAdmin(settings)
    admin.ensure_bucket()
    admin.ensure_expiry_rule()
    admin.close()


async def body(size_bytes: int) -> AsyncGenerator[bytes, None]:
    for start in range(0, size_bytes, len(PIECE)):
        yield PIECE[: size_bytes - start]


def keys_seen_by(stranger: Minio, prefix: str) -> list[str | None]:
    return [
        found.object_name
        for found in stranger.list_objects(BUCKET, prefix=prefix, recursive=True)
    ]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class TestBytes:
    @pytest.mark.parametrize("size_bytes", [0, 1_000, 12 * MIB + 3])
    async def test_a_stranger_reads_what_we_wrote(
        self, store: S3ObjectStore, stranger: Minio, size_bytes: int
    ) -> None:
        await store.put("t/s/files/a", body(size_bytes), max_bytes=size_bytes)

        answer = stranger.get_object(BUCKET, "sessions/t/s/files/a")
        content = answer.read()
        answer.close()
        answer.release_conn()

        assert content == b"".join([piece async for piece in body(size_bytes)])

    async def test_a_stranger_sees_nothing_of_a_deleted_session(
        self, store: S3ObjectStore, stranger: Minio
    ) -> None:
        sessions = Sessions(store, max_age=timedelta(hours=24))
        session_id = new_id()
        entry = await sessions.store_file(
            "acme",
            session_id,
            name="data.csv",
            body=body(10),
            content_type="text/csv",
            max_bytes=10,
        )
        record = SessionRecord(
            session_id=session_id,
            origin="upload",
            user="alice",
            created_at=datetime.now(UTC),
            files=(entry,),
        )
        await sessions.save("acme", record)
        folder = f"sessions/acme/{session_id}/"
        before = keys_seen_by(stranger, folder)

        await sessions.delete("acme", session_id)

        assert before == [f"{folder}files/{entry.id}", f"{folder}record.json"]
        assert keys_seen_by(stranger, folder) == []
        with pytest.raises(SessionNotFoundError):
            await sessions.load("acme", session_id)


class TestExpiryRule:
    def test_a_stranger_reads_the_rule_that_we_set(
        self, settings: StorageSettings, stranger: Minio
    ) -> None:
        lifecycle = stranger.get_bucket_lifecycle(settings.s3_bucket)

        assert lifecycle is not None
        (rule,) = lifecycle.rules
        assert rule.status == "Enabled"
        assert rule.rule_filter is not None
        assert rule.rule_filter.prefix == "sessions/"
        assert rule.expiration is not None
        assert rule.expiration.days == 1
        assert rule.abort_incomplete_multipart_upload is not None
        assert rule.abort_incomplete_multipart_upload.days_after_initiation == 1

    async def test_the_server_removes_what_the_rule_names_and_nothing_else(
        self, server: S3Server, stranger: Minio
    ) -> None:
        """The rule's days are made a date gone by: a test cannot wait for a day."""
        settings = server.settings(bucket="swept")
        await asyncio.to_thread(prepare, settings)
        store = S3ObjectStore(settings)
        neighbour = S3ObjectStore(settings.model_copy(update={"s3_prefix": "sessions2/"}))
        await store.put("acme/s/files/a", body(1_000), max_bytes=1_000)
        await neighbour.put("acme/s/files/a", body(1_000), max_bytes=1_000)
        make_overdue(settings)

        await asyncio.to_thread(server.sweep)

        left = [found.object_name for found in stranger.list_objects("swept", recursive=True)]
        assert left == ["sessions2/acme/s/files/a"]


def make_overdue(settings: StorageSettings) -> None:
    secret = settings.s3_secret_access_key
    assert secret is not None
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value(),
    )
    rules: list[Any] = client.get_bucket_lifecycle_configuration(Bucket=settings.s3_bucket)[
        "Rules"
    ]
    for rule in rules:
        rule["Expiration"] = {"Date": datetime(2020, 1, 1, tzinfo=UTC)}
    client.put_bucket_lifecycle_configuration(
        Bucket=settings.s3_bucket, LifecycleConfiguration={"Rules": rules}
    )
    client.close()


class TestWrongCredentials:
    @pytest.fixture
    def denied(self, settings: StorageSettings) -> StorageSettings:
        return settings.model_copy(update={"s3_secret_access_key": SecretStr("a guess")})

    async def test_objects_are_unavailable_rather_than_missing(
        self, denied: StorageSettings
    ) -> None:
        store = S3ObjectStore(denied)

        with pytest.raises(StorageUnavailableError):
            await store.check()
        with pytest.raises(StorageUnavailableError):
            await store.read("s/a", max_bytes=10)
        with pytest.raises(StorageUnavailableError):
            await store.put("s/a", body(1), max_bytes=10)
        with pytest.raises(StorageUnavailableError):
            await store.delete_prefix("s/")

    def test_the_bucket_cannot_be_administered_and_the_error_says_what_to_do(
        self, denied: StorageSettings
    ) -> None:
        with pytest.raises(BucketAccessDeniedError, match="S3_SECRET_ACCESS_KEY"):
            BucketAdmin(denied).ensure_bucket()
        with pytest.raises(BucketAccessDeniedError, match="S3_SECRET_ACCESS_KEY"):
            BucketAdmin(denied).ensure_expiry_rule()


class TestMemory:
    ALLOWED_BYTES = 20 * MIB
    """Two parts of 5 MiB, what carries them, and what other threads happen to need."""

    async def test_it_stays_flat_while_50_mb_are_put(self, store: S3ObjectStore) -> None:
        await store.put("t/warm-up/a", body(1), max_bytes=1)
        before = resident_bytes()
        peak = 0

        async def watched() -> AsyncGenerator[bytes, None]:
            nonlocal peak
            async for piece in body(LARGE_BYTES):
                yield piece
                peak = max(peak, resident_bytes())

        await store.put("t/s/files/a", watched(), max_bytes=LARGE_BYTES)

        assert peak > 0
        assert peak - before < self.ALLOWED_BYTES  # Less than none, where others let go.

    async def test_it_stays_flat_while_50_mb_are_read(self, store: S3ObjectStore) -> None:
        await store.put("t/s/files/a", body(LARGE_BYTES), max_bytes=LARGE_BYTES)
        before = resident_bytes()
        peak = size_bytes = 0

        async with store.open("t/s/files/a") as opened:
            async for chunk in opened.chunks:
                size_bytes += len(chunk)
                peak = max(peak, resident_bytes())

        assert size_bytes == LARGE_BYTES
        assert peak - before < self.ALLOWED_BYTES


class TestAServerThatFails:
    @pytest.fixture
    def own_server(self, tmp_path: Path) -> Generator[S3Server, None, None]:
        with running_s3_server(tmp_path) as server:
            yield server

    @pytest.fixture
    def own_store(self, own_server: S3Server) -> S3ObjectStore:
        settings = own_server.settings(bucket=BUCKET)
        prepare(settings)
        return S3ObjectStore(settings)

    async def test_once_killed_it_is_reported_within_seconds(
        self, own_server: S3Server, own_store: S3ObjectStore
    ) -> None:
        await own_store.put("t/s/files/a", body(1), max_bytes=1)
        own_server.kill()

        for call in (
            own_store.check(),
            own_store.read("t/s/files/a", max_bytes=1),
            own_store.put("t/s/files/a", body(1), max_bytes=1),
        ):
            started = time.monotonic()
            with pytest.raises(StorageUnavailableError):
                await call
            assert time.monotonic() - started < 5

    async def test_killed_during_a_put_it_fails_the_put(
        self, own_server: S3Server, own_store: S3ObjectStore
    ) -> None:
        async def fatal() -> AsyncGenerator[bytes, None]:
            async for piece in body(12 * MIB):
                yield piece
            await asyncio.to_thread(own_server.kill)
            async for piece in body(30 * MIB):
                yield piece

        with pytest.raises(StorageUnavailableError):
            await own_store.put("t/s/files/a", fatal(), max_bytes=LARGE_BYTES)

    async def test_killed_during_a_read_it_fails_the_read(
        self, own_server: S3Server, own_store: S3ObjectStore
    ) -> None:
        await own_store.put("t/s/files/a", body(LARGE_BYTES), max_bytes=LARGE_BYTES)
        size_bytes = 0

        async def read_and_kill() -> None:
            nonlocal size_bytes
            async with own_store.open("t/s/files/a") as opened:
                async for chunk in opened.chunks:
                    if size_bytes == 0:
                        await asyncio.to_thread(own_server.kill)
                    size_bytes += len(chunk)

        with pytest.raises(StorageUnavailableError):
            await read_and_kill()

        assert 0 < size_bytes < LARGE_BYTES

    async def test_once_it_is_back_it_is_used_again(
        self, own_server: S3Server, own_store: S3ObjectStore
    ) -> None:
        await own_store.put("t/s/files/a", body(1), max_bytes=1)
        own_server.freeze()
        with pytest.raises(StorageUnavailableError):
            await own_store.read("t/s/files/a", max_bytes=1)

        own_server.thaw()

        assert await own_store.read("t/s/files/a", max_bytes=1) == PIECE[:1]
