"""The service that is measured: one that we start, or one that runs already."""

import json
import os
import signal
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.config import DEFAULT_SANDBOX_IMAGE
from tests.bench.bare_storage import BareStorage
from tests.bench.client import Client
from tests.bench.reports import BenchError
from tests.bench.rest import Pause, Rest, SignsOfLife
from tests.live.running_service import RunningService, ServiceError

AS_SHIPPED = {
    # What the tests set differently. An empty variable counts as unset.
    "SANDBOX_POOL_SIZE": "2",
    "SANDBOX_POOL_MAX": "",
    # A crowd comes with one key.
    "QUEUE_LIMIT_PER_TENANT": "1000",
    # Says where the time went; costs a header.
    "SERVER_TIMING": "true",
}


def sandbox_image() -> str:
    """Return the image that sandboxes and fresh runs are made of."""
    return os.environ.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One service, and how it is reached."""

    address: str
    key: str
    rest: Rest
    service: RunningService | None = None
    """Ours, if we have started it: only then its processes and its storage can be seen."""

    @contextmanager
    def client(self) -> Generator[Client, None, None]:
        """Give a client with a connection of its own, which is open already.

        Clients keep their connections open: opening one is not part of a run.
        """
        with Client(self.address, self.key) as client:
            client.ask("GET", "/health")
            try:
                yield client
            finally:
                self.rest.disturb()

    @property
    def own(self) -> RunningService:
        """The service, which must be ours.

        Raises:
            BenchError: It is not.
        """
        if self.service is None:
            raise BenchError("this needs a service that the bench has started")
        return self.service

    def pid(self, name: str) -> int:
        """Return the process id of the service's `api` or `executor`."""
        pid = self.own.child(name)
        if pid is None:
            raise BenchError(f"there is no {name}")
        return pid

    @property
    def storage(self) -> BareStorage:
        """The service's object storage, without the service."""
        work_dir = self.own.work_dir
        return BareStorage(
            endpoint_url=f"http://127.0.0.1:{_ports(work_dir)['s3']}",
            secret_access_key=_secret(work_dir, "s3-app"),
        )


def running_subject(address: str, key: str) -> Subject:
    """Return a service that somebody else runs."""
    return Subject(address=address.rstrip("/"), key=key, rest=Pause())


@contextmanager
def started_subject(settings: Mapping[str, str]) -> Generator[Subject, None, None]:
    """Start the service on a folder and ports of its own; stop and remove it at the end.

    Raises:
        BenchError: It does not start; the message has what it said.
    """
    with tempfile.TemporaryDirectory(prefix="code-command-bench-") as folder:
        service = RunningService(Path(folder) / "work", {**AS_SHIPPED, **settings})
        try:
            service.start()
            yield Subject(
                address=service.address,
                key=next(iter(service.keys.values())),
                rest=SignsOfLife(_broker_url(service.work_dir), pool_size=service.pool_size),
                service=service,
            )
            service.end(signal.SIGTERM)
        except ServiceError as fault:
            raise BenchError(f"the service did not start: {fault}") from fault
        finally:
            service.put_away()


def _broker_url(work_dir: Path) -> str:
    return f"redis://:{_secret(work_dir, 'broker')}@127.0.0.1:{_ports(work_dir)['broker']}/0"


def _ports(work_dir: Path) -> dict[str, int]:
    return json.loads((work_dir / "ports.json").read_text(encoding="utf-8"))


def _secret(work_dir: Path, name: str) -> str:
    return (work_dir / "secrets" / name).read_text(encoding="ascii").strip()
