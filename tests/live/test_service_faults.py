"""What fails beside the program: every request gets an answer, and the service comes back."""

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from infra.local.engine import connect
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, StoredFile
from tests.live.running_service_faults import EngineDoor
from tests.live.running_service_outages import (
    DEADLINE_S,
    ENDLESS_PROGRAM,
    ask_until_well,
    begin_run,
    health,
    outage,
    recover,
)
from tests.live.running_service_storage_faults import (
    MAKE_A_FILE,
    Crowded,
    StandingStill,
    crowded_service,
)

pytestmark = [
    pytest.mark.docker,
    # Begun first and looked at last: one takes half a minute, the other up to two.
    pytest.mark.usefixtures("standing_still", "crowded"),
]


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


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    with crowded_service(tmp_path_factory.mktemp("small") / "disk") as crowded:
        yield crowded


@pytest.fixture(scope="module")
def standing_still(service: RunningService) -> Iterator[StandingStill]:
    """The shared service, which nothing else here needs."""
    with service.caller() as caller:
        still = StandingStill(service, caller)
        yield still
        still.go_on()
        recover(service)


class TestFullDisk:
    def test_it_is_told_and_what_needs_no_space_goes_on(self, crowded: Crowded) -> None:
        assert outage(crowded.upload) == "Error uploading files"
        told = crowded.run_with_files.json()["artifact_delivery"]
        assert (told["status"], told["delivered"]) == ("failed", 0)
        assert "lost, because storage failed" in crowded.run_with_files.json()["stderr"]
        assert crowded.run_with_files.json()["files"] == []
        assert crowded.run_without.json()["stdout"] == "1\n"
        assert crowded.download.content == bytes(1 << 20)


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
            caller.http.post("/exec", json=ENDLESS_PROGRAM, timeout=1)

        eventually(lambda: waiting not in fragile.containers(ended=True), timeout_s=6)


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
                lambda: (
                    health(fragile)
                    == {
                        "status": "down",
                        "parts": {
                            "storage": "up",
                            "broker": "up",
                            "executors": 1,
                            "engine": "down",
                        },
                    }
                ),
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


class TestStorageThatStandsStill:
    def test_it_is_told_by_each_route_and_by_health_and_used_when_it_goes_on(
        self, standing_still: StandingStill
    ) -> None:
        still = standing_still
        eventually(
            lambda: (
                health(still.service)["parts"]
                == {"storage": "down", "broker": "up", "executors": 1, "engine": "up"}
            ),
            "health says so",
        )
        # What needs no files runs on.
        assert still.caller.run("print(1)")["stdout"] == "1\n"

        errors = {text: answer.result(timeout=60) for text, answer in still.answers.items()}

        assert [outage(answer) for answer in errors.values()] == list(errors)
        assert max(answer.elapsed.total_seconds() for answer in errors.values()) < DEADLINE_S
        still.go_on()
        ask_until_well(lambda: still.caller.http.post("/exec", json=still.run))


class TestDiskWithSpaceAgain:
    """Last, since the object store looks at the disk's space once a minute."""

    def test_it_is_used(self, crowded: Crowded) -> None:
        caller = crowded.caller

        ask_until_well(lambda: caller.http.post("/exec", json=MAKE_A_FILE))

        ask_until_well(
            lambda: caller.http.post("/upload", files={"file": ("b", bytes(8 << 20))})
        )
        assert caller.download(crowded.kept) == bytes(1 << 20)
