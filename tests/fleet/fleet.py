"""Two hosts, two replicas of the API, one broker and one object store."""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from minio import Minio

from infra.local.config import CHECKOUT
from storage.configuration import VARIABLES
from tests.api.broker import Valkey, running_valkey
from tests.faults.faulty_link import FaultyLink
from tests.faults.own_engine import own_engine
from tests.fleet.host import Host, Links
from tests.fleet.namespace import Namespace
from tests.live.executor.process import storage_environment
from tests.live.running_service import eventually, free_port
from tests.live.running_service_caller import Caller
from tests.live.s3_server import S3Server, running_s3_server

SLOTS = 2
"""Of each host."""
GRACE_S = 3
EXEC_TIMEOUT_S = 15
QUEUE_TIMEOUT_S = 8
ANSWERED_S = EXEC_TIMEOUT_S + QUEUE_TIMEOUT_S + 5
"""By then every run is answered: its own limits, and what an answer takes at the end."""
REST_S = 60

BUCKET = "fleet"
SETTINGS = {
    "CODE_EXEC_TIMEOUT": str(EXEC_TIMEOUT_S),
    "EXECUTOR_CONCURRENCY": str(SLOTS),
    "EXECUTOR_SHUTDOWN_GRACE": str(GRACE_S),
    "QUEUE_TIMEOUT": str(QUEUE_TIMEOUT_S),
    "RATE_LIMIT_EXEC": "off",
    "RATE_LIMIT_UPLOAD": "off",
    "RATE_LIMIT_DOWNLOAD": "off",
    "SANDBOX_POOL_SIZE": "1",
    "SANDBOX_POOL_MAX": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All of it."""

    hosts: tuple[Host, Host]
    replicas: tuple[Caller, Caller]
    """A client of each replica of the API."""
    valkey: Valkey
    store: S3Server

    @property
    def caller(self) -> Caller:
        return self.replicas[0]

    def other(self, host: Host) -> Host:
        """Return the one that is not `host`."""
        (other,) = (each for each in self.hosts if each is not host)
        return other

    def rest(self) -> None:
        """Have both hosts up and idle, and both replicas know it."""
        for host in self.hosts:
            host.start()
        for host in self.hosts:
            eventually(host.rests, f"{host.name} rests:\n{host.log}", timeout_s=REST_S)
        self.await_executors(len(self.hosts))

    def await_executors(self, count: int) -> None:
        """Wait until each replica knows of so many executors."""
        for replica in self.replicas:
            eventually(lambda replica=replica: _executors_seen_by(replica) == count)

    def host_of_a_run(self) -> Host:
        """Return who has begun a run, and not ended it; waits for one."""
        found: list[Host] = []

        def is_begun() -> bool:
            begun = self._begun_by()
            found[:] = [host for host in self.hosts if host.instance_id in begun]
            return bool(found)

        eventually(is_begun, "a run is begun")
        return found[0]

    def host_that_ran(self, session_id: str) -> Host:
        """Return who has run what is kept under that session; logs come after answers."""
        found: list[Host] = []

        def is_told() -> bool:
            found[:] = [host for host in self.hosts if host.has_run(session_id)]
            return bool(found)

        eventually(is_told, "a host tells of the run")
        assert len(found) == 1, "it was run twice"
        return found[0]

    def _begun_by(self) -> set[str]:
        """Return the executors that have begun a run; those of runs long lost among them."""
        with closing(self.valkey.connect()) as redis:
            keys = list(redis.scan_iter("celery-task-meta-*"))
            told = [json.loads(str(text)) for key in keys if (text := redis.get(key))]
        begun = (each["result"]["hostname"] for each in told if each["status"] == "STARTED")
        return {hostname.partition("@")[2] for hostname in begun}

    def stored(self) -> set[str]:
        """Return the key of every object, as a client that is none of our code sees them."""
        bucket = Minio(
            self.store.address,
            access_key=self.store.access_key_id,
            secret_key=self.store.secret_access_key,
            secure=False,
        )
        return {str(item.object_name) for item in bucket.list_objects(BUCKET, recursive=True)}


@contextmanager
def running_fleet(folder: Path) -> Generator[Fleet, None, None]:
    """Run it until the block ends. Needs root, for the engines."""
    key = secrets.token_hex(20)
    with ExitStack() as stack:
        store = stack.enter_context(running_s3_server(folder / "s3"))
        valkey = stack.enter_context(running_valkey())
        settings = {
            **dict.fromkeys(VARIABLES, ""),  # Nothing of the developer's own.
            **SETTINGS,
            **storage_environment(store.settings(bucket=BUCKET)),
            "SANDBOX_IMAGE": os.environ.get("SANDBOX_IMAGE", ""),
            "BROKER_URL": valkey.url,
            "CODE_WORK_DIR": str(folder / "work"),
            "CODE_API_KEYS": f"tenant={key}",
        }
        replicas = [stack.enter_context(_replica(folder, settings, key)) for _ in range(2)]
        hosts: list[Host] = []
        for name in ("ash", "birch"):
            host = Host(
                name,
                folder,
                engine=stack.enter_context(own_engine()),
                links=_links(stack, valkey, store),
                settings=settings,
            )
            hosts.append(host)
            stack.callback(host.put_away)
            host.start()
        yield Fleet(
            hosts=(hosts[0], hosts[1]),
            replicas=(replicas[0], replicas[1]),
            valkey=valkey,
            store=store,
        )


def _links(stack: ExitStack, valkey: Valkey, store: S3Server) -> Links:
    namespace = stack.enter_context(Namespace())
    return Links(
        valkey,
        namespace,
        stack.enter_context(FaultyLink(valkey.port, namespace.to_broker.address)),
        stack.enter_context(FaultyLink(store.port, namespace.to_storage.address)),
    )


@contextmanager
def _replica(folder: Path, settings: dict[str, str], key: str) -> Generator[Caller, None, None]:
    """Run one API, started as people and units start it: `./code-command api`."""
    port = free_port()
    with (folder / f"api-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            (CHECKOUT / "code-command", "api"),
            env={**os.environ, **settings, "CODE_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        with Caller(f"http://127.0.0.1:{port}", key) as caller:
            eventually(lambda: _executors_seen_by(caller) is not None, "a replica answers")
            yield caller
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _executors_seen_by(caller: Caller) -> int | None:
    try:
        return int(caller.http.get("/health").json()["parts"]["executors"])
    except httpx.TransportError:
        return None
