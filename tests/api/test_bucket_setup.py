"""The bucket is made beside the requests, whenever storage comes (design D2)."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from api.bucket_setup import make_bucket_ready
from storage.bucket import BucketAdmin
from storage.errors import StorageUnavailableError
from storage.s3 import S3ObjectStore
from tests.live.s3_server import S3Server, running_s3_server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server, None, None]:
    folder: Path = tmp_path_factory.mktemp("s3")
    with running_s3_server(folder) as server:
        yield server


async def test_it_is_made_where_there_is_none(server: S3Server) -> None:
    settings = server.settings(bucket="made-at-start")
    store = S3ObjectStore(settings)
    with pytest.raises(StorageUnavailableError):
        await store.check()

    await make_bucket_ready(settings, store)

    await store.check()


async def test_one_that_is_there_stays(server: S3Server) -> None:
    settings = server.settings(bucket="made-before")
    admin = BucketAdmin(settings)
    admin.ensure_bucket()
    admin.close()
    store = S3ObjectStore(settings)

    await make_bucket_ready(settings, store)
    await make_bucket_ready(settings, store)

    await store.check()


async def test_storage_that_comes_late_is_waited_for(
    server: S3Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.bucket_setup.FIRST_PAUSE_S", 0.01)
    there = server.settings(bucket="made-late")
    gone = there.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"})
    store = S3ObjectStore(there)

    class Arriving(BucketAdmin):
        """Points at nothing for the first two times."""

        attempts = 0

        def ensure_bucket(self) -> None:
            Arriving.attempts += 1
            target = gone if Arriving.attempts <= 2 else there
            super().__init__(target)
            super().ensure_bucket()

    monkeypatch.setattr("api.bucket_setup.BucketAdmin", Arriving)

    async with asyncio.timeout(30):
        await make_bucket_ready(there, store)

    await store.check()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert "S3_ENDPOINT_URL" in caplog.text
