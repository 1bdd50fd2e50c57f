"""One more executor beside those of a service, on the same broker and bucket."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.live.running_service import RunningService, eventually
from tests.live.running_service_altered import broker_url, storage_settings


class LoneExecutor:
    """A process of its own, and what it says."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8")

    def has_run(self, session_id: str) -> bool:
        """Whether a run of this session has ended in it."""
        return any(
            session_id in line and " ended with " in line for line in self.log.split("\n")
        )


@contextmanager
def lone_executor(service: RunningService, name: str) -> Generator[LoneExecutor, None, None]:
    """Run an executor until the block ends; begin when the service knows of it."""
    log = service.work_dir.with_name(f"{name}.log")
    before = executors(service)
    environment = service.environment | {
        "BROKER_URL": broker_url(service),
        **storage_settings(service),
        "CODE_EXECUTOR_ID": name,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", "executor"),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: executors(service) > before, "it is there", timeout_s=90)
        yield LoneExecutor(log)
    finally:
        process.terminate()
        process.wait(30)


def executors(service: RunningService) -> int:
    """Return how many executors the service knows of."""
    answer = httpx.get(f"{service.address}/health", timeout=10, trust_env=False)
    return answer.json()["parts"]["executors"]
