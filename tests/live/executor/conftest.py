"""One broker, one S3 server and one executor for all tests that break none of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.settings import StorageSettings
from tests.api.broker import Valkey, running_valkey
from tests.contracts.conftest import with_bucket
from tests.live.executor.engine_proxy import EngineProxy
from tests.live.executor.process import ExecutorProcess, running_executor
from tests.live.s3_server import running_s3_server


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("executor")


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture(scope="session")
def storage(folder: Path) -> Iterator[StorageSettings]:
    with running_s3_server(folder / "s3") as server:
        yield with_bucket(server.settings(bucket="executor"))


@pytest.fixture(scope="session")
def executor(
    folder: Path, valkey: Valkey, storage: StorageSettings
) -> Iterator[ExecutorProcess]:
    with running_executor(folder, valkey, storage) as executor:
        yield executor


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A broker on which nobody else listens: for tests with an executor of their own."""
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
def proxy() -> Iterator[EngineProxy]:
    proxy = EngineProxy()
    yield proxy
    proxy.remove()
