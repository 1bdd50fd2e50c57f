"""What clients ask of a fleet, and what they are told."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import httpx

from tests.faults.outages import outage
from tests.fleet.fleet import ANSWERED_S, SLOTS, Fleet
from tests.fleet.host import Host
from tests.live.running_service_caller import Caller, stored_files

LASTING = "sleep 5; head -c 16 /dev/urandom | base64 | tee out.txt"
"""Long enough for something to happen meanwhile; it prints something else each time."""


def ask(caller: Caller, code: str, lang: str = "bash") -> httpx.Response:
    return caller.http.post("/exec", json={"lang": lang, "code": code})


def begin(
    fleet: Fleet, clients: ThreadPoolExecutor, code: str = LASTING
) -> tuple[Future[httpx.Response], Host]:
    """Have a program run; return its answer to come, and the host that runs it."""
    return clients.submit(ask, fleet.caller, code), fleet.host_of_a_run()


def ran_on(fleet: Fleet, answer: httpx.Response) -> Host:
    return fleet.host_that_ran(answer.json()["session_id"])


def is_what_was_told(fleet: Fleet, answer: httpx.Response) -> None:
    """The program's file has what the program printed: of the run that the client heard of."""
    told = answer.json()
    (out,) = stored_files(told).values()
    assert fleet.caller.download(out).decode() == told["stdout"]


def came_through(answers: Iterable[Future[httpx.Response]]) -> list[str]:
    return [answer.result().json().get("stdout", answer.result().text) for answer in answers]


def all_are_told_while_one_host_lacks_storage(
    fleet: Fleet, clients: ThreadPoolExecutor
) -> None:
    """Runs without files are none the worse; one with a file succeeds, or says what failed."""
    notes = fleet.caller.upload("notes.txt", b"kept")
    run = {"lang": "bash", "code": "cat notes.txt; sleep 1", "files": [notes.reference]}
    without_files = [
        clients.submit(ask, fleet.caller, f"sleep 1; echo {number}")
        for number in range(2 * SLOTS)
    ]
    assert came_through(without_files) == [f"{number}\n" for number in range(2 * SLOTS)]
    with_files = [
        clients.submit(fleet.caller.http.post, "/exec", json=run) for _ in range(2 * SLOTS)
    ]
    answers = [answer.result(ANSWERED_S) for answer in with_files]

    well = [answer for answer in answers if answer.status_code == 200]
    assert all(answer.json()["stdout"] == "kept" for answer in well)
    assert well, "the other host is not cut off"
    ill = [answer for answer in answers if answer not in well]
    assert {outage(answer) for answer in ill} <= {"session_input_source_failed"}
