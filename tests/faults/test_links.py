"""The ways to the object store and to the broker are slow, broken, or lead to errors."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.faults.distant_service import CONCURRENCY, DistantService, distant_service
from tests.faults.faulty_link import Cut, Fault, Refusal, Slow
from tests.faults.outages import (
    DEADLINE_S,
    answers_by_route,
    ask_until_well,
    begin_run,
    health,
    measured,
    outage,
)
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

MIB = 1 << 20
TOLD_WITHIN_S = 12
"""Of an object store that answers with errors: it is asked again for 3 s at a time."""

WHOLE = os.urandom(12 * MIB)
WHOLE_HASH = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture(scope="module")
def distant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DistantService]:
    with distant_service(tmp_path_factory.mktemp("distant")) as distant:
        yield distant


@pytest.fixture
def faulty(distant: DistantService) -> RunningService:
    return distant.service


@pytest.fixture
def large(caller: Caller) -> StoredFile:
    return caller.upload("large.bin", WHOLE)


class TestSlowStorage:
    def test_files_go_in_and_out_all_the_same(
        self, distant: DistantService, caller: Caller
    ) -> None:
        with distant.to_storage.with_fault(Slow(0.3)):
            notes = caller.upload("notes.txt", b"slow")
            answer = caller.run("cat notes.txt; echo new > new.txt", notes, lang="bash")

            assert answer["stdout"] == "slow"
            assert caller.download(stored_files(answer)["new.txt"]) == b"new\n"


class TestStorageThatAnswersWithErrors:
    @pytest.mark.parametrize(
        "refusal",
        [
            pytest.param(Refusal(503, "SlowDown"), id="503"),
            pytest.param(Refusal(500, "InternalError"), id="500"),
        ],
    )
    def test_each_route_tells_it_in_time(
        self, distant: DistantService, caller: Caller, refusal: Fault
    ) -> None:
        asked = answers_by_route(caller, caller.upload("notes.txt", b"kept"))
        with (
            ThreadPoolExecutor(len(asked)) as clients,
            distant.to_storage.with_fault(refusal),
        ):
            pending = {text: clients.submit(ask) for text, ask in asked.items()}
            # What needs no files runs on.
            assert caller.run("print(1)")["stdout"] == "1\n"
            answers = {text: each.result() for text, each in pending.items()}
            assert health(distant.service)["parts"]["storage"] == "down"

        assert [outage(answer) for answer in answers.values()] == list(answers)
        took_s = {text: answer.elapsed.total_seconds() for text, answer in answers.items()}
        print(took_s)  # noqa: T201 - figures to follow
        assert max(took_s.values()) < TOLD_WITHIN_S
        with measured("an object store that answered with errors"):
            ask_until_well(asked["session_input_source_failed"])

    def test_a_few_are_seen_by_nobody(self, distant: DistantService, caller: Caller) -> None:
        with distant.to_storage.with_fault(Refusal(503, "SlowDown", times=2)):
            notes = caller.upload("notes.txt", b"kept")

            assert caller.download(notes) == b"kept"


class TestConnectionsToStorageThatBreak:
    def test_within_a_download_no_part_is_taken_for_the_whole(
        self, distant: DistantService, caller: Caller, large: StoredFile
    ) -> None:
        with distant.to_storage.with_fault(Cut("down", after_bytes=3 * MIB)):
            try:
                received = caller.download_hash(large)
            except httpx.TransportError as fault:
                received = fault

        assert isinstance(received, httpx.TransportError) or received == WHOLE_HASH
        assert caller.download_hash(large) == WHOLE_HASH

    def test_within_an_input_the_program_sees_the_whole_or_does_not_run(
        self, distant: DistantService, caller: Caller, large: StoredFile
    ) -> None:
        run = {"lang": "bash", "code": "sha256sum large.bin", "files": [large.reference]}
        with distant.to_storage.with_fault(Cut("down", after_bytes=3 * MIB)):
            answer = caller.http.post("/exec", json=run)

        if answer.status_code == 200:
            assert answer.json()["stdout"].startswith(WHOLE_HASH)
        else:
            assert outage(answer) == "session_input_source_failed"

    def test_within_an_upload_it_is_told_and_nothing_is_stored(
        self, distant: DistantService, caller: Caller
    ) -> None:
        before = distant.service.stored()
        with distant.to_storage.with_fault(Cut("up", after_bytes=3 * MIB)):
            answer = caller.http.post("/upload", files={"file": ("large.bin", WHOLE)})

        assert outage(answer) == "Error uploading files"
        assert answer.elapsed.total_seconds() < TOLD_WITHIN_S
        assert distant.service.stored() == before

    def test_while_outputs_are_stored_the_answer_says_which_are_lost(
        self, distant: DistantService, caller: Caller
    ) -> None:
        code = "head -c 12000000 /dev/urandom > lost.bin; echo done"
        with distant.to_storage.with_fault(Cut("up", after_bytes=3 * MIB)):
            answer = caller.run(code, lang="bash")

        assert answer["stdout"] == "done\n"
        assert answer["files"] == []
        assert answer["artifact_delivery"]["status"] == "failed"
        assert "lost.bin" in answer["stderr"]


class TestBroker:
    def test_slow_it_slows_and_nothing_else(
        self, distant: DistantService, caller: Caller
    ) -> None:
        with distant.to_broker.with_fault(Slow(0.2)):
            assert caller.run("print(1)")["stdout"] == "1\n"

    def test_whose_connections_break_during_a_run_is_reached_again_and_the_run_is_answered(
        self, distant: DistantService, caller: Caller, elsewhere: ThreadPoolExecutor
    ) -> None:
        executor = distant.service.child("executor")
        pending, _ = begin_run(distant.service, caller, elsewhere)

        distant.to_broker.blink()

        answer = pending.result().json()
        assert answer["stdout"] == "done\n"
        with measured("connections to the broker that broke"):
            ask_until_well(lambda: caller.http.post("/exec", json={"lang": "py", "code": "1"}))
        assert distant.service.child("executor") == executor
        # Celery gives the message back on such an occasion, and gets it a second time.
        assert distant.service.log("executor").count(f"session {answer['session_id']}") == 1

    def test_out_of_reach_it_is_told_in_time(
        self, distant: DistantService, caller: Caller
    ) -> None:
        run = {"lang": "py", "code": "print(1)"}
        with distant.to_broker.with_fault(Cut()):
            began_at = time.monotonic()
            answer = caller.http.post("/exec", json=run)
            assert time.monotonic() - began_at < DEADLINE_S
            assert outage(answer) == "microvm_unhealthy"
            eventually(
                lambda: health(distant.service)["parts"]["broker"] == "down", "health says so"
            )
            # Files need no broker.
            assert caller.download(caller.upload("notes.txt", b"1")) == b"1"

        with measured("a broker that was out of reach"):
            ask_until_well(lambda: caller.http.post("/exec", json=run))


class TestMessageThatComesTwice:
    def test_it_is_run_once_and_its_files_stay_as_they_were_told(
        self, distant: DistantService, caller: Caller
    ) -> None:
        before = distant.service.stored()
        code = "head -c 16 /dev/urandom | base64 | tee out.txt"
        with ThreadPoolExecutor(CONCURRENCY + 1) as clients:
            # All slots are taken, so that the message can be seen on the queue.
            taken = [
                clients.submit(caller.run, f"sleep 3; echo {number}", lang="bash")
                for number in range(CONCURRENCY)
            ]
            eventually(
                lambda: len(distant.service.containers()) > CONCURRENCY, "all slots are taken"
            )
            pending = clients.submit(caller.run, code, lang="bash")
            eventually(lambda: distant.queued() != [], "the message waits")

            (message,) = distant.queued()
            distant.queue_again(message)

            answer = pending.result()
            assert {each.result()["stdout"] for each in taken} == {"0\n", "1\n"}
        eventually(lambda: distant.queued() == [], "both have been taken")
        distant.service.rest()

        log = distant.service.log("executor")
        assert log.count(f"session {answer['session_id']}") == 1
        run_id = json.loads(message)["headers"]["id"]
        assert log.count(f"run {run_id} has come twice; it is run once") == 1
        (out,) = stored_files(answer).values()
        assert caller.download(out).decode() == answer["stdout"]
        assert len(distant.service.stored() - before) == 2  # The file, and the record.
