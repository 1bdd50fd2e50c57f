"""A service whose object store and broker are elsewhere, behind links that can fail."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from executor.messages import QUEUE_NAME
from tests.api.broker import Valkey, running_valkey
from tests.faults.faulty_link import FaultyLink
from tests.faults.outages import FRAGILE_SETTINGS
from tests.live.executor.process import storage_environment
from tests.live.running_service import RunningService, running_service
from tests.live.s3_server import running_s3_server

CONCURRENCY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DistantService:
    """The service, and the links."""

    service: RunningService
    to_storage: FaultyLink
    to_broker: FaultyLink
    valkey: Valkey

    def queued(self) -> list[bytes]:
        """Return the messages that no executor has taken yet."""
        with Redis(port=self.valkey.port) as broker:
            return broker.lrange(QUEUE_NAME, 0, -1)  # pyright: ignore[reportReturnType]

    def queue_again(self, message: bytes) -> None:
        """Put a message behind the others, as a broker that delivers it twice."""
        with Redis(port=self.valkey.port) as broker:
            broker.lpush(QUEUE_NAME, message)


@contextmanager
def distant_service(folder: Path) -> Generator[DistantService, None, None]:
    """Run all of it until the block ends."""
    with (
        running_s3_server(folder / "s3") as store,
        running_valkey() as valkey,
        FaultyLink(store.port) as to_storage,
        FaultyLink(valkey.port) as to_broker,
    ):
        settings = {
            **FRAGILE_SETTINGS,
            **storage_environment(store.settings(bucket="distant")),
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{to_storage.port}",
            "BROKER_URL": f"redis://127.0.0.1:{to_broker.port}/0",
            "EXECUTOR_CONCURRENCY": str(CONCURRENCY),
        }
        with running_service(folder / "work", settings) as service:
            yield DistantService(
                service=service, to_storage=to_storage, to_broker=to_broker, valkey=valkey
            )
