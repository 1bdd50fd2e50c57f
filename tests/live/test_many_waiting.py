"""A thousand runs that wait cost the API neither threads nor much memory nor its attention."""

import asyncio
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from statistics import median

import httpx
import pytest

from executor.messages import QUEUE_NAME
from tests.api.broker import ROOT, Valkey, running_valkey, running_worker
from tests.live.executor.process import storage_environment
from tests.live.running_service import POLL_INTERVAL_S, eventually, free_port
from tests.live.s3_server import running_s3_server

pytestmark = pytest.mark.anyio

KEY = "a-key-of-the-many-who-wait"
MANY = 1000
TAKEN = 8
"""By the stand-in executor, which does not come to the end of any."""

READY = 4
"""Of those that wait, so many do at the broker, for whichever of the others ends."""

BYTES_PER_RUN = 128 * 1024
"""Far more than a run that waits may take: a thread's stack alone is 8 MB of addresses, and
some hundred KB in use."""


class ApiProcess:
    """A real API, seen from outside."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._status = Path(f"/proc/{pid}/status")

    def _value(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", self._status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    @property
    def threads(self) -> int:
        return self._value("Threads")

    @property
    def resident_bytes(self) -> int:
        return self._value("VmRSS") * 1024

    async def has(self, sample: str, count: int) -> None:
        """Wait until `/metrics` says so."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
            while True:
                if f"\n{sample} {float(count)}\n" in (await client.get(address)).text:
                    return
                await asyncio.sleep(POLL_INTERVAL_S)

    async def health_s(self) -> float:
        """Return how long the service takes to say that all is well."""
        address = f"http://127.0.0.1:{self.port}/health"
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(address)  # The connection is there, and storage has been asked.
            began = time.perf_counter()
            answer = await client.get(address)
            took_s = time.perf_counter() - began
        assert answer.json()["status"] == "ok", answer.text
        return took_s


@contextmanager
def running_api(folder: Path, valkey: Valkey) -> Generator[ApiProcess, None, None]:
    port = free_port()
    with running_s3_server(folder / "s3") as server:
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            **storage_environment(server.settings(bucket="waiting")),
            "BROKER_URL": valkey.url,
            "CODE_API_KEY": KEY,
            "CODE_PORT": str(port),
            "METRICS": "open",
            "QUEUE_LIMIT": str(2 * MANY),
            "QUEUE_LIMIT_PER_TENANT": str(2 * MANY),
            "RATE_LIMIT_EXEC": "off",
            "LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen((sys.executable, "-P", "-m", "api"), env=environment)
        try:
            eventually(lambda: _is_well(port), "the API is well")
            yield ApiProcess(port, process.pid)
        finally:
            process.terminate()
            process.wait(30)


@asynccontextmanager
async def waiting_runs(port: int, count: int) -> AsyncGenerator[None, None]:
    """Ask for runs that never end, each on a connection of its own; leave at the end."""
    body = json.dumps({"lang": "py", "code": "wait"})
    request = (
        f"POST /exec HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()


def has(valkey: Valkey, key: str, count: int) -> None:
    """Wait until so many items are in a list."""
    with closing(valkey.connect()) as client:
        eventually(lambda: client.llen(key) == count, f"{count} items are in {key}")


async def test_the_api_stays_small_and_answers_at_once(tmp_path: Path) -> None:
    with (
        running_valkey() as valkey,
        running_worker(valkey, "busy"),
        running_api(tmp_path, valkey) as api,
    ):
        async with waiting_runs(api.port, TAKEN):
            await asyncio.to_thread(has, valkey, "begun", TAKEN)
            await api.health_s()
            threads, resident_bytes = api.threads, api.resident_bytes

            async with waiting_runs(api.port, MANY):
                await api.has("code_command_runs_waiting", TAKEN + MANY)
                await api.has("code_command_runs_queued", MANY - READY)
                await asyncio.to_thread(has, valkey, QUEUE_NAME, READY)
                threads_of_many, resident_bytes_of_many = api.threads, api.resident_bytes
                health_s = [await api.health_s() for _ in range(20)]

        # Their clients have left by now.
        await api.has("code_command_runs_waiting", 0)
        await api.has("code_command_runs_queued", 0)
        figures = (
            f"{threads} -> {threads_of_many} threads, "
            f"{resident_bytes >> 20} -> {resident_bytes_of_many >> 20} MiB, "
            f"/health {1000 * median(health_s):.1f} ms, {1000 * max(health_s):.1f} at most"
        )
        logging.getLogger(__name__).info("%d runs wait: %s", MANY, figures)
        assert threads_of_many <= threads
        assert resident_bytes_of_many - resident_bytes < MANY * BYTES_PER_RUN
        assert median(health_s) < 0.05


def _is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False
