"""One host of a fleet: a container engine, an executor, and the network that it hangs on."""

import os
import signal
import subprocess
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import docker  # noqa: TID251 - an independent look at what executors left

from executor.docker_spec import OWNER_LABEL
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus
from infra.local.config import CHECKOUT
from tests.api.broker import Valkey
from tests.faults.faulty_link import FaultyLink
from tests.faults.own_engine import OwnEngine
from tests.fleet.namespace import Namespace
from tests.live.running_service import eventually

STOP_TIMEOUT_S = 30


class Links(NamedTuple):
    """What an executor has besides its engine, and may lose."""

    valkey: Valkey
    """Reached another way, to see what the executor says of itself."""
    namespace: Namespace
    """Where the executor is: it reaches these links over wires that can be cut."""
    to_broker: FaultyLink
    to_storage: FaultyLink


class Host:
    """An executor, started as people and units start it: `./code-command executor`."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        engine: OwnEngine,
        links: Links,
        settings: Mapping[str, str],
    ) -> None:
        self.name = name
        self.engine = engine
        self.links = links
        self._folder = folder
        self._settings = {
            **settings,
            "CODE_EXECUTOR_ID": name,
            "DOCKER_HOST": engine.address,
            "BROKER_URL": f"redis://{links.to_broker.address}:{links.to_broker.port}/0",
            "S3_ENDPOINT_URL": f"http://{links.to_storage.address}:{links.to_storage.port}",
            "NO_PROXY": "*",  # A developer's own is out of reach from inside.
            "no_proxy": "*",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the executor, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                (*self.links.namespace.enter, CHECKOUT / "code-command", "executor"),
                env={**os.environ, **self._settings},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Wait for its end; return the exit code."""
        assert self._process is not None
        return self._process.wait(STOP_TIMEOUT_S)

    @property
    def _log_path(self) -> Path:
        return self._folder / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8")

    def has_run(self, session_id: str) -> bool:
        """Whether it has told how a run of that session went."""
        return f"session {session_id}," in self.log

    @property
    def status(self) -> ExecutorStatus | None:
        """Its sign of life; of an earlier life there may be one for some seconds."""
        with closing(self.links.valkey.connect()) as redis:
            keys = list(redis.scan_iter(f"{HEARTBEAT_KEY_PREFIX}{self.name}-*"))
            signs = [sign for key in keys if (sign := redis.get(key)) is not None]
        found = [ExecutorStatus.model_validate_json(str(sign)) for sign in signs]
        return found[0] if len(found) == 1 else None

    @property
    def instance_id(self) -> str | None:
        """What its present life is called."""
        status = self.status
        return None if status is None else status.instance_id

    def rests(self) -> bool:
        """Whether it is alone under its name, takes runs, and has none; its pool is full."""
        status = self.status
        return (
            status is not None
            and status.accepting
            and (status.running, status.removing_sandboxes) == (0, 0)
            and status.ready_sandboxes == int(self._settings["SANDBOX_POOL_SIZE"])
        )

    def refuses(self) -> bool:
        status = self.status
        return status is not None and not status.accepting

    def containers(self) -> set[str]:
        """What the engine has of it, in whatever state."""
        with closing(docker.DockerClient(base_url=self.engine.address)) as client:
            found = client.api.containers(
                all=True, quiet=True, filters={"label": f"{OWNER_LABEL}={self.name}"}
            )
        return {container["Id"] for container in found}

    @contextmanager
    def stopped(self) -> Generator[None, None, None]:
        """Keep it from doing anything: its connections stand, and its programs run on."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def put_away(self) -> None:
        """End it as an administrator does, and see that it ends in good order."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
            assert self.ended() == 0, self.log
            eventually(lambda: self.containers() == set(), f"{self.name} leaves nothing")
