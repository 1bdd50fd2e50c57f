"""What fails beside the program: every request gets an answer, and the service comes back."""

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from infra.local.engine import connect
from tests.live.running_service import RunningService, eventually, running_service
from tests.live.running_service_caller import Caller, StoredFile
from tests.live.running_service_faults import EngineDoor, fill_disk, small_disk

pytestmark = pytest.mark.docker

EXEC_TIMEOUT_S = 12
QUEUE_TIMEOUT_S = 8
DEADLINE_S = EXEC_TIMEOUT_S + QUEUE_TIMEOUT_S + 5
"""By then every run is answered: its own limits, and what an answer takes at the end."""

OUTAGES = {502, 503, 504}
WAITING_PROGRAM = {"lang": "bash", "code": "sleep 4; echo done"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> EngineDoor:
    door = EngineDoor(tmp_path_factory.mktemp("door") / "engine.sock")
    door.open()
    return door


@pytest.fixture(scope="module")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, door: EngineDoor
) -> Iterator[RunningService]:
    """A service that may be treated badly."""
    settings = {
        "CODE_EXEC_TIMEOUT": str(EXEC_TIMEOUT_S),
        "DOCKER_HOST": door.address,
        "QUEUE_TIMEOUT": str(QUEUE_TIMEOUT_S),
        "SANDBOX_POOL_SIZE": "1",
    }
    with running_service(tmp_path_factory.mktemp("fragile") / "work", settings) as service:
        yield service


@pytest.fixture
def caller(fragile: RunningService) -> Iterator[Caller]:
    """A client of the service at rest; afterwards the service must have recovered."""
    recover(fragile)
    with fragile.caller() as caller:
        yield caller
    recover(fragile)


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as elsewhere:
        yield elsewhere


def recover(service: RunningService) -> None:
    """Wait until everything is well again, by itself, and prove it with a run."""
    eventually(lambda: health(service).get("status") == "ok", "health is ok", timeout_s=60)
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
    service: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
) -> tuple[Future[httpx.Response], str]:
    """Have a program run; return its answer to come, and the container that it is in."""
    (waiting,) = service.containers()
    answer = elsewhere.submit(caller.http.post, "/exec", json=WAITING_PROGRAM)
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
    give_up_at = time.monotonic() + 60
    while True:
        began_at = time.monotonic()
        answer = ask()
        assert time.monotonic() - began_at < DEADLINE_S
        if answer.status_code == 200:
            return
        outage(answer)
        assert time.monotonic() < give_up_at, answer.text


class TestExecutor:
    def test_killed_during_a_run_the_run_is_answered_all_the_same(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        began_at = time.monotonic()
        pending, container = begin_run(fragile, caller, elsewhere)

        fragile.kill("executor")

        answer = pending.result()
        assert time.monotonic() - began_at < DEADLINE_S
        if answer.status_code == 200:
            assert answer.json()["stdout"] == "done\n"
        else:
            outage(answer)
        eventually(lambda: container not in fragile.containers(ended=True), "it is cleaned up")


class TestSandbox:
    def test_removed_during_a_run_the_run_is_answered_at_once(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        pending, container = begin_run(fragile, caller, elsewhere)

        with closing(connect()) as engine:
            engine.api.remove_container(container, force=True)

        answer = pending.result(timeout=3)
        assert answer.status_code == 502
        assert outage(answer) == "sandbox_execution_failed"

    def test_of_a_client_that_leaves_it_is_gone_within_seconds(
        self, fragile: RunningService, caller: Caller
    ) -> None:
        (waiting,) = fragile.containers()
        with pytest.raises(httpx.ReadTimeout):
            caller.http.post("/exec", json=WAITING_PROGRAM, timeout=1)

        eventually(lambda: waiting not in fragile.containers(ended=True), timeout_s=2.5)


class TestApi:
    def test_killed_during_a_run_it_is_back_and_what_it_acknowledged_is_there(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        notes = caller.upload("notes.txt", b"acknowledged")
        pending, _ = begin_run(fragile, caller, elsewhere)

        fragile.kill("api")

        assert isinstance(pending.exception(), httpx.TransportError)
        recover(fragile)
        assert caller.download(notes) == b"acknowledged"


class TestStorage:
    def test_killed_it_has_everything_that_was_acknowledged(
        self, fragile: RunningService, caller: Caller
    ) -> None:
        contents = [os.urandom(size) for size in (1, 1000, 100_000, 3 << 20, 20 << 20)]
        hashes: dict[StoredFile, str] = {}
        for number, content in enumerate(contents):
            stored = caller.upload(f"{number}.bin", content)
            hashes[stored] = hashlib.sha256(content).hexdigest()

        fragile.kill("weed")

        smallest = min(hashes, key=lambda file: file.name)
        ask_until_well(lambda: caller.http.get(smallest.path))
        ask_until_well(lambda: caller.http.post("/upload", files={"file": ("a.txt", b"1")}))
        assert {file: caller.download_hash(file) for file in hashes} == hashes

    def test_that_stands_still_is_told_by_each_route_and_by_health(
        self, fragile: RunningService, caller: Caller
    ) -> None:
        notes = caller.upload("notes.txt", b"kept")
        weed = fragile.child("weed")
        assert weed is not None
        run = {"lang": "bash", "code": "cat notes.txt", "files": [notes.reference]}

        os.kill(weed, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(5) as clients:
                asked = (
                    clients.submit(caller.http.get, notes.path),
                    clients.submit(caller.http.get, f"/files/{notes.session_id}"),
                    clients.submit(caller.http.post, "/upload", files={"file": ("a", b"1")}),
                    clients.submit(caller.http.post, "/exec", json=run),
                )
                assert health(fragile)["parts"]["storage"] == "down"
                errors = [outage(answer.result(timeout=DEADLINE_S)) for answer in asked]
                # What needs no files runs on.
                assert caller.run("print(1)")["stdout"] == "1\n"
        finally:
            os.kill(weed, signal.SIGCONT)

        assert errors == [
            "Error downloading file",
            "Error fetching file information",
            "Error uploading files",
            "session_input_source_failed",
        ]
        ask_until_well(lambda: caller.http.post("/exec", json=run))


class TestBroker:
    def test_killed_during_a_run_the_run_is_answered_in_time(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        began_at = time.monotonic()
        pending, _ = begin_run(fragile, caller, elsewhere)

        fragile.kill("valkey-server")

        answer = pending.result()
        assert time.monotonic() - began_at < DEADLINE_S
        if answer.status_code == 200:
            assert answer.json()["stdout"] == "done\n"
        else:
            outage(answer)
        ask_until_well(lambda: caller.http.post("/exec", json={"lang": "py", "code": "1"}))


class TestEngine:
    def test_away_it_is_told_and_back_it_is_used_again(
        self, fragile: RunningService, caller: Caller, door: EngineDoor
    ) -> None:
        door.shut()
        try:
            began_at = time.monotonic()
            refused = caller.http.post("/exec", json={"lang": "py", "code": "1"})
            assert time.monotonic() - began_at < DEADLINE_S
            assert refused.status_code == 503
            assert outage(refused) == "microvm_launch_failed"
            assert int(refused.headers["retry-after"]) > 0
            eventually(
                lambda: health(fragile) == {
                    "status": "down",
                    "parts": {
                        "storage": "up",
                        "broker": "up",
                        "executors": 1,
                        "engine": "down",
                    },
                },
                "health says what is away",
            )
            # Files need no engine.
            notes = caller.upload("notes.txt", b"1")
        finally:
            door.open()

        ask_until_well(
            lambda: caller.http.post(
                "/exec", json={"lang": "bash", "code": "cat *.txt", "files": [notes.reference]}
            )
        )


def test_a_full_disk_is_told_and_once_there_is_space_again_it_is_used(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("small") / "disk"
    make_file = {"lang": "bash", "code": "head -c 3000000 /dev/urandom > x.bin"}
    with (
        small_disk(folder, size_bytes=96 << 20) as disk,
        running_service(disk / "work", {"SANDBOX_POOL_SIZE": "1"}) as service,
        service.caller() as caller,
    ):
        kept = caller.upload("kept.bin", bytes(1 << 20))
        filler = fill_disk(disk)

        refused = caller.http.post("/upload", files={"file": ("a.bin", os.urandom(8 << 20))})
        assert outage(refused) == "Error uploading files"
        outage(caller.http.post("/exec", json=make_file))
        assert caller.run("print(1)")["stdout"] == "1\n"
        assert caller.download(kept) == bytes(1 << 20)

        filler.unlink()
        ask_until_well(lambda: caller.http.post("/exec", json=make_file))
        assert caller.upload("b.bin", os.urandom(8 << 20))
        assert caller.download(kept) == bytes(1 << 20)
