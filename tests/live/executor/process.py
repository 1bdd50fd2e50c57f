"""A real executor process, told what to do as the API tells it: by a message on the broker."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from celery import Celery

from executor.messages import (
    CANCEL_COMMAND,
    QUEUE_NAME,
    TASK_NAME,
    Failed,
    FailureKind,
    Finished,
    RunReport,
    RunRequest,
)
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus
from storage.configuration import VARIABLES
from storage.ids import new_id
from storage.records import FileEntry
from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.executor.docker_view import containers_of, remove_all_of

ROOT = Path(__file__).parents[3]

TENANT = "tenant"
TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05


def eventually(
    condition: Callable[[], bool], what: str, *, timeout_s: float = TIMEOUT_S
) -> None:
    """Wait until `condition` holds; fail after `timeout_s`."""
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at, f"after {timeout_s} s it is not so that {what}"
        time.sleep(POLL_INTERVAL_S)


def request(
    code: str,
    *inputs: FileEntry,
    language: str = "bash",
    wait_s: float = TIMEOUT_S,
    is_spare: bool = False,
) -> RunRequest:
    return RunRequest(
        run_id=new_id(),
        session_id=new_id(),
        tenant=TENANT,
        user="user",
        language=language,
        code=code,
        inputs=inputs,
        is_spare=is_spare,
        deadline=time.time() + wait_s,
    )


class Sent:
    """A run that is under way.

    Its result is read where Celery's worker puts it, not with Celery's client: that one keeps
    a connection to a broker that a test may take away.
    """

    def __init__(self, valkey: Valkey, run_id: str) -> None:
        self._valkey = valkey
        self._key = f"celery-task-meta-{run_id}"

    def _stored(self) -> dict[str, Any]:
        with closing(self._valkey.connect()) as redis:
            stored: Any = redis.get(self._key)
        return json.loads(stored) if stored else {"status": "PENDING"}

    def outcome(self) -> dict[str, Any]:
        """What Celery says of the task, once it has ended."""
        eventually(
            lambda: self._stored()["status"] in {"SUCCESS", "FAILURE"}, "the task has ended"
        )
        return self._stored()

    def report(self) -> RunReport:
        outcome = self.outcome()
        assert outcome["status"] == "SUCCESS", outcome
        return RunReport.model_validate(outcome["result"])

    def finished(self) -> Finished:
        result = self.report().result
        assert isinstance(result, Finished), result
        return result

    def failure(self) -> FailureKind:
        result = self.report().result
        assert isinstance(result, Failed), result
        return result.kind


class ExecutorProcess:
    """One executor, its log, and a client of its broker."""

    def __init__(
        self,
        folder: Path,
        valkey: Valkey,
        storage: StorageSettings,
        settings: Mapping[str, str],
    ) -> None:
        self.owner = settings.get("CODE_EXECUTOR_ID", f"live-{secrets.token_hex(4)}")
        self.log_path = folder / f"{self.owner}.log"
        self._valkey = valkey
        self._settings = {
            **dict.fromkeys(VARIABLES, ""),  # Nothing of the developer's own.
            **storage_environment(storage),
            "BROKER_URL": valkey.url,
            "CODE_EXECUTOR_ID": self.owner,
            "SANDBOX_IMAGE": os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest"),
            "SANDBOX_POOL_SIZE": "1",
            # As many as always wait, so that a test can count them.
            "SANDBOX_POOL_MAX": str(max(0, int(settings.get("SANDBOX_POOL_SIZE", "1")))),
            "EXECUTOR_CONCURRENCY": "4",
            "CPU_LIMIT": "1",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._earlier_signs: set[str] = set()
        self._client = Celery(broker=valkey.url)

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the process; what it writes goes to the log."""
        self._earlier_signs = set(self._signs())
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "executor"),
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._settings},
                cwd=self.log_path.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self._process

    def start(self) -> None:
        """Start the process, and wait for its sign of life and for its pool."""
        self.launch()
        waiting = int(self._settings["SANDBOX_POOL_SIZE"])
        eventually(lambda: self.ready_sandboxes == waiting, f"the pool is full:\n{self.log}")

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def status(self) -> ExecutorStatus | None:
        """Its last sign of life, not one of an earlier life."""
        for key, sign in self._signs().items():
            if key not in self._earlier_signs:
                return ExecutorStatus.model_validate_json(sign)
        return None

    def _signs(self) -> dict[str, str]:
        with closing(self._valkey.connect()) as redis:
            keys = [
                str(key) for key in redis.scan_iter(f"{HEARTBEAT_KEY_PREFIX}{self.owner}-*")
            ]
            found: Any = [(key, redis.get(key)) for key in keys]
        return {key: sign for key, sign in found if sign is not None}

    @property
    def ready_sandboxes(self) -> int:
        status = self.status
        return -1 if status is None else status.ready_sandboxes

    def engine_is(self, state: str) -> bool:
        status = self.status
        return status is not None and status.engine == state

    @property
    def running(self) -> int:
        """How many runs it has, as it says."""
        status = self.status
        return 0 if status is None else status.running

    @property
    def containers(self) -> set[str]:
        """Its containers, those that have ended included."""
        return containers_of(self.owner)

    def rest(self, *, containers: int = 1) -> None:
        """Wait until nothing is there but the waiting sandboxes."""
        eventually(lambda: len(self.containers) == containers, "only the pool is left")

    def send(self, run: RunRequest) -> Sent:
        return self.send_raw([run.model_dump(mode="json")], run.run_id, run.queue)

    def send_raw(self, args: list[Any], run_id: str, queue: str = QUEUE_NAME) -> Sent:
        """Put a message on a queue, whatever is in it."""
        self._client.send_task(TASK_NAME, args=args, queue=queue, task_id=run_id)
        return Sent(self._valkey, run_id)

    def run(self, code: str, *inputs: FileEntry, language: str = "bash") -> Finished:
        return self.send(request(code, *inputs, language=language)).finished()

    def cancel(self, run_id: str) -> None:
        self._client.control.broadcast(CANCEL_COMMAND, arguments={"run_ids": [run_id]})

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(TIMEOUT_S)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process; return its exit code."""
        self.send_signal(number)
        return self.wait()

    def put_away(self) -> None:
        """End whatever a failed test left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._client.close()
        remove_all_of(self.owner)


@contextmanager
def running_executor(
    folder: Path,
    valkey: Valkey,
    storage: StorageSettings,
    settings: Mapping[str, str] | None = None,
) -> Generator[ExecutorProcess]:
    """Run an executor; ended in good order it must leave no container."""
    executor = ExecutorProcess(folder, valkey, storage, settings or {})
    try:
        executor.start()
        yield executor
        assert executor.end() == 0, executor.log
        assert executor.containers == set()
    finally:
        executor.put_away()


def storage_environment(storage: StorageSettings) -> dict[str, str]:
    secret = storage.s3_secret_access_key
    assert secret is not None
    return {
        "S3_ENDPOINT_URL": str(storage.s3_endpoint_url),
        "S3_BUCKET": storage.s3_bucket,
        "S3_ACCESS_KEY_ID": str(storage.s3_access_key_id),
        "S3_SECRET_ACCESS_KEY": secret.get_secret_value(),
    }
