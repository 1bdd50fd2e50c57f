"""Shared files that lie in a bucket reach every sandbox, and do so again when they change."""

import io
from pathlib import Path

import pytest
from minio import Minio

from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.live.executor.process import (
    ExecutorProcess,
    eventually,
    running_executor,
    storage_environment,
)

LISTING = "cd /mnt/shared && find . -type f | sort && cat greeting.txt"

pytestmark = pytest.mark.docker


class Bucket:
    """The bucket as its owner fills it, with a client that is none of our code."""

    def __init__(self, storage: StorageSettings) -> None:
        told = storage_environment(storage)
        self.name = storage.s3_bucket
        self._client = Minio(
            told["S3_ENDPOINT_URL"].removeprefix("http://"),
            access_key=told["S3_ACCESS_KEY_ID"],
            secret_key=told["S3_SECRET_ACCESS_KEY"],
            secure=False,
        )

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(self.name, key, io.BytesIO(content), len(content))

    def remove(self, key: str) -> None:
        self._client.remove_object(self.name, key)


@pytest.mark.parametrize("engine", ["docker", "oci"])
def test_they_are_seen_and_seen_again_once_they_have_changed(
    folder: Path, own_valkey: Valkey, storage: StorageSettings, engine: str
) -> None:
    bucket = Bucket(storage)
    bucket.put("shared/greeting.txt", b"good day\n")
    bucket.put("shared/fonts/one.ttf", b"1")
    bucket.put("shared-not/other.txt", b"not ours")
    settings = {
        "CLEANUP_INTERVAL_MINUTES": "0.02",
        "SANDBOX_ENGINE": engine,
        "SHARED_ASSETS_PATH": f"s3://{bucket.name}/shared",
    }
    with running_executor(folder, own_valkey, storage, settings) as executor:
        assert executor.run(LISTING).stdout == "./fonts/one.ttf\n./greeting.txt\ngood day\n"

        bucket.put("shared/greeting.txt", b"good night\n")
        bucket.remove("shared/fonts/one.ttf")

        eventually(
            lambda: executor.run(LISTING).stdout == "./greeting.txt\ngood night\n",
            "sandboxes see what has changed",
        )


def test_a_bucket_that_is_not_there_is_one_line(
    folder: Path, own_valkey: Valkey, storage: StorageSettings
) -> None:
    settings = {"SHARED_ASSETS_PATH": "s3://no-such-bucket/shared"}
    executor = ExecutorProcess(folder, own_valkey, storage, settings)
    executor.launch()

    assert executor.wait() == 2
    assert executor.log.startswith("SHARED_ASSETS_PATH: ")
    assert executor.log.count("\n") == 1
    executor.put_away()
