"""A process dies without a word: every request gets an answer, and the service comes back."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from infra.local.engine import connect
from tests.faults.outages import (
    DEADLINE_S,
    ask_until_well,
    begin_run,
    measured,
    outage,
    recover,
)
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, StoredFile

pytestmark = [pytest.mark.docker, pytest.mark.case(57)]


class TestExecutor:
    def test_killed_during_a_run_the_run_is_answered_all_the_same(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        began_at = time.monotonic()
        pending, container = begin_run(fragile, caller, elsewhere)

        with measured("the executor, killed"):
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


class TestApi:
    def test_killed_during_a_run_it_is_back_and_what_it_acknowledged_is_there(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        notes = caller.upload("notes.txt", b"acknowledged")
        pending, _ = begin_run(fragile, caller, elsewhere)

        with measured("the API, killed"):
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

        with measured("the object store, killed"):
            fragile.kill("weed")

            smallest = min(hashes, key=lambda file: file.name)
            ask_until_well(lambda: caller.http.get(smallest.path))
            ask_until_well(lambda: caller.http.post("/upload", files={"file": ("a.txt", b"1")}))
        assert {file: caller.download_hash(file) for file in hashes} == hashes


class TestBroker:
    def test_killed_during_a_run_the_run_is_answered_by_the_executor_that_has_it(
        self, fragile: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        executor = fragile.child("executor")
        began_at = time.monotonic()
        pending, _ = begin_run(fragile, caller, elsewhere)

        with measured("the broker, killed"):
            fragile.kill("valkey-server")

            answer = pending.result()
            assert time.monotonic() - began_at < DEADLINE_S
            assert answer.status_code == 200, answer.text
            assert answer.json()["stdout"] == "done\n"
            ask_until_well(lambda: caller.http.post("/exec", json={"lang": "py", "code": "1"}))
        assert fragile.child("executor") == executor
