"""The adapters that the contract tests are asked of, each on the real thing."""

import secrets
from collections.abc import Generator
from contextlib import nullcontext

import boto3.session
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from storage.memory import MemoryObjectStore
from storage.observed import ObservedObjectStore
from storage.ports import ObjectStore
from storage.s3 import S3ObjectStore
from storage.settings import StorageSettings
from tests.live.s3_server import S3Server, running_s3_server

BUCKET = "contracts"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server, None, None]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(s3_server: S3Server) -> StorageSettings:
    return with_bucket(s3_server.settings(bucket=BUCKET))


@pytest.fixture(scope="session")
def moto() -> Generator[StorageSettings, None, None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield with_bucket(
        StorageSettings(
            s3_endpoint_url=f"http://{host}:{port}",
            s3_bucket=BUCKET,
            s3_access_key_id="moto-accepts",
            s3_secret_access_key=SecretStr("anything"),
        )
    )
    server.stop()


@pytest.fixture(params=["memory", "observed", "moto", "seaweedfs"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty store: on S3, a prefix that nobody has used."""
    if request.param == "memory":
        return MemoryObjectStore()
    if request.param == "observed":
        return ObservedObjectStore(MemoryObjectStore(), around=lambda _: nullcontext())
    settings: StorageSettings = request.getfixturevalue(request.param)
    fresh = settings.model_copy(update={"s3_prefix": f"{secrets.token_hex(8)}/"})
    return S3ObjectStore(fresh)


def with_bucket(settings: StorageSettings) -> StorageSettings:
    """Create the bucket by hand: our own way of doing so is tested elsewhere."""
    secret = settings.s3_secret_access_key
    assert secret is not None
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value(),
    )
    client.create_bucket(Bucket=settings.s3_bucket)
    client.close()
    return settings
