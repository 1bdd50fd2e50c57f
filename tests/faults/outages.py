"""What callers see while a part of a service is away, and how long they wait for it."""

import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx
from redis import Redis

from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_altered import broker_url
from tests.live.running_service_caller import Caller, StoredFile

OUTAGES = {502, 503, 504}
RECOVERY_S = 90
WAITING_PROGRAM = {"lang": "bash", "code": "sleep 4; echo done"}
ENDLESS_PROGRAM = {"lang": "bash", "code": "sleep 600"}

EXEC_TIMEOUT_S = 12
QUEUE_TIMEOUT_S = 8
DEADLINE_S = EXEC_TIMEOUT_S + QUEUE_TIMEOUT_S + 5
"""By then every run is answered: its own limits, and what an answer takes at the end."""

FRAGILE_SETTINGS = {
    "CLEANUP_INTERVAL_MINUTES": "0.05",
    "CODE_EXEC_TIMEOUT": str(EXEC_TIMEOUT_S),
    "QUEUE_TIMEOUT": str(QUEUE_TIMEOUT_S),
    "SANDBOX_POOL_SIZE": "1",
}


def recover(service: RunningService) -> None:
    """Wait until everything is well again, by itself, and prove it with a run."""
    eventually(
        lambda: health(service).get("status") == "ok", "health is ok", timeout_s=RECOVERY_S
    )
    service.rest()
    with service.caller() as caller:
        assert caller.run("print(6 * 7)")["stdout"] == "42\n"
    service.rest()


def health(service: RunningService) -> Any:
    try:
        answer = httpx.get(f"{service.address}/health", timeout=10, trust_env=False)
    except httpx.TransportError:
        return {}
    assert answer.status_code == (503 if answer.json()["status"] == "down" else 200)
    return answer.json()


def begin_run(
    service: RunningService,
    caller: Caller,
    elsewhere: ThreadPoolExecutor,
    program: Mapping[str, str] = WAITING_PROGRAM,
) -> tuple[Future[httpx.Response], str]:
    """Have a program run; return its answer to come, and the container that it is in."""
    (waiting,) = service.containers()
    answer = elsewhere.submit(caller.http.post, "/exec", json=program)
    # The place of a sandbox that is used is taken by another.
    eventually(lambda: len(service.containers()) > 1, "the program runs")
    return answer, waiting


def outage(answer: httpx.Response) -> str:
    """Check the form of an answer that tells of an outage; return its `error`."""
    assert answer.status_code in OUTAGES, answer.text
    body = answer.json()
    assert all(isinstance(text, str) for text in body.values())
    assert "Traceback" not in answer.text
    return body["error"]


def ask_until_well(ask: Callable[[], httpx.Response]) -> None:
    """Ask until the answer is a 200; each one before must tell of an outage, in time."""
    give_up_at = time.monotonic() + RECOVERY_S
    while True:
        began_at = time.monotonic()
        answer = ask()
        assert time.monotonic() - began_at < DEADLINE_S
        if answer.status_code == 200:
            return
        outage(answer)
        assert time.monotonic() < give_up_at, answer.text
        time.sleep(0.5)


@contextmanager
def measured(what: str) -> Generator[None, None, None]:
    """Tell in the test's output how long the block took: SECURITY.md's table has it."""
    began_at = time.monotonic()
    yield
    print(f"[{what}: {time.monotonic() - began_at:.1f} s]")  # noqa: T201 - a figure to follow


def answers_by_route(
    caller: Caller, notes: StoredFile
) -> Mapping[str, Callable[[], httpx.Response]]:
    """What needs the object store, by the `error` that tells of its absence."""
    run = {"lang": "bash", "code": "cat notes.txt", "files": [notes.reference]}
    return {
        "Error downloading file": lambda: caller.http.get(notes.path),
        "Error fetching file information": lambda: caller.http.get(
            f"/files/{notes.session_id}"
        ),
        "Error uploading files": lambda: caller.http.post(
            "/upload", files={"file": ("a.txt", b"1")}
        ),
        "session_input_source_failed": lambda: caller.http.post("/exec", json=run),
    }


@contextmanager
def run_under_way(service: RunningService) -> Generator[None, None, None]:
    """Have a program run during the block; whoever waits for it may wait in vain."""
    service.rest()
    with service.caller() as caller, ThreadPoolExecutor(1) as elsewhere:
        begin_run(service, caller, elsewhere, ENDLESS_PROGRAM)
        eventually(lambda: _is_busy_and_full(service), "the pool is full again")
        yield


def _is_busy_and_full(service: RunningService) -> bool:
    """Ask the executor's sign of life: a container that is listed may not have come up yet."""
    with closing(Redis.from_url(broker_url(service))) as broker:
        (key,) = broker.keys(f"{HEARTBEAT_KEY_PREFIX}*")
        sign = broker.get(key)
    assert isinstance(sign, bytes)
    status = ExecutorStatus.model_validate_json(sign)
    return (status.running, status.ready_sandboxes) == (1, service.pool_size)
