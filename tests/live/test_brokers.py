"""Whatever carries the runs: the whole service, real sandboxes, on Valkey and on RabbitMQ."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.api.broker import running_valkey
from tests.live.programmatic import programs
from tests.live.rabbitmq import VIRTUAL_HOSTS, running_rabbitmq
from tests.live.running_service import TENANTS, RunningService, eventually, running_service
from tests.live.running_service_altered import lone_api
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

SLOTS, WAITING = 4, 8
LIMIT_S = 4
SETTINGS = {
    "CODE_EXEC_TIMEOUT": str(LIMIT_S),
    "EXECUTOR_CONCURRENCY": str(SLOTS),
    "METRICS": "open",
    "QUEUE_LIMIT_PER_TENANT": str(WAITING),
}
BURST = 10
CROWD = SLOTS + SLOTS // 2 + 2
"""Two more than run and lie ready."""
FLOOD = 30
"""More than run, lie ready and may wait, taken together."""
LOST_S = 60
"""An executor that was killed is missed after 7 to 12 s, and takes as long to come back."""


@pytest.fixture(scope="module", params=["valkey", "rabbitmq"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """The service on one broker: the Valkey that `up` brings along, or servers of one's own."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "valkey":
        with running_service(folder / "work", SETTINGS) as service:
            yield service
        return
    with own_servers(folder) as told, running_service(folder / "work", SETTINGS | told) as ours:
        assert ours.child("valkey-server") is None
        yield ours


@contextmanager
def own_servers(folder: Path) -> Generator[dict[str, str], None, None]:
    """Run a RabbitMQ for the runs and a Valkey for their results; gives what `up` is told."""
    with running_rabbitmq(folder / "rabbitmq") as rabbitmq, running_valkey() as valkey:
        yield {"BROKER_URL": rabbitmq + VIRTUAL_HOSTS[0], "RESULT_BACKEND_URL": valkey.url}


@pytest.fixture
def caller(service: RunningService) -> Iterator[Caller]:
    with service.caller() as caller:
        yield caller


def bash(service: RunningService, code: str, tenant: str = TENANTS[0]) -> httpx.Response:
    """Ask for a run with a client of its own, as people do."""
    with service.caller(tenant) as caller:
        return caller.http.post("/exec", json={"lang": "bash", "code": code})


def lines_of(service: RunningService, request_id: str) -> list[str]:
    """Return what the executor has said of a request."""
    return [line for line in service.log("executor").splitlines() if f'"{request_id}"' in line]


def waiting(service: RunningService) -> int:
    """Return how many runs wait in the API for their turn."""
    with service.caller() as caller:
        found = re.search(
            r"(?m)^code_command_runs_queued (\d+)", caller.http.get("/metrics").text
        )
    return int(found[1]) if found else 0


def await_begun(service: RunningService) -> None:
    """Wait for a program to run: then there is a sandbox more than those that wait."""
    eventually(lambda: len(service.containers()) > service.pool_size, "it runs")


def test_a_program_prints_and_the_service_says_that_it_is_well(caller: Caller) -> None:
    answer = caller.run("import sys; print(6 * 7); print('no', file=sys.stderr)")

    assert (answer["stdout"], answer["stderr"], answer["code"]) == ("42\n", "no\n", 0)
    assert caller.http.get("/health").json()["parts"] == {
        "storage": "up",
        "broker": "up",
        "executors": 1,
        "engine": "up",
    }


def test_an_operator_sees_the_executor_and_that_nothing_waits(
    service: RunningService,
) -> None:
    said = subprocess.run(
        (sys.executable, "-P", "-m", "infra.local", "status", "--json"),
        cwd=service.work_dir.parent,
        env=service.environment,
        capture_output=True,
        check=True,
    )

    status = json.loads(said.stdout)
    assert [each["host"] for each in status["executors"]] == [socket.gethostname()]
    assert [each["waiting"] for each in status["apis"]] == [0]
    # Only a Redis can be asked.
    assert status["queue_length"] == (None if "BROKER_URL" in service.settings else 0)


def test_files_go_in_and_out_by_reference(caller: Caller) -> None:
    data = caller.upload("data.csv", b"n\n1\n2\n")
    first = caller.run("print(open('data.csv').read().upper(), file=open('up.csv', 'w'))", data)
    made = stored_files(first)["up.csv"]

    second = caller.run("cat up.csv", made, lang="bash")

    assert caller.download(made) == b"N\n1\n2\n\n"
    assert second["stdout"] == "N\n1\n2\n\n"


def test_of_a_crowd_everybody_has_their_own_answer(service: RunningService) -> None:
    with ThreadPoolExecutor(BURST) as clients:
        codes = [f"sleep 0.2; echo {number}" for number in range(BURST)]
        answers = list(clients.map(partial(bash, service), codes))

    assert [answer.json()["stdout"] for answer in answers] == [f"{n}\n" for n in range(BURST)]


def test_beyond_the_queues_limit_runs_are_refused_and_the_others_answered(
    service: RunningService,
) -> None:
    with ThreadPoolExecutor(FLOOD) as clients:
        answers = list(clients.map(partial(bash, service), ["sleep 0.3"] * FLOOD))

    counted = Counter(answer.status_code for answer in answers)
    assert counted.keys() == {200, 429}
    assert counted[200] >= SLOTS + WAITING
    assert all("Retry-After" in answer.headers for answer in answers if answer.is_error)


def test_who_fills_all_slots_keeps_nobody_from_a_single_run(service: RunningService) -> None:
    code = "date +%s%N; sleep 2; date +%s%N"
    with ThreadPoolExecutor(CROWD) as clients:
        flood = [clients.submit(bash, service, code) for _ in range(CROWD)]
        eventually(lambda: waiting(service) > 0, "they wait for their turn")
        single = bash(service, "date +%s%N", TENANTS[1])
        answered = [run for run in flood if run.done()]

    began = int(single.json()["stdout"])
    spans = [tuple(map(int, run.result().json()["stdout"].split())) for run in flood]
    ended_before = sum(end < began for _, end in spans)
    assert ended_before == 0, "it began before any of the others had ended"
    assert not answered
    # The slot that is kept is not the flood's, when it is alone again.
    at_once = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(at_once) <= SLOTS


def test_a_client_that_leaves_ends_its_run(service: RunningService, caller: Caller) -> None:
    service.rest()
    before = service.log("executor").count("failed: cancelled")
    run = {"lang": "bash", "code": "sleep 600"}
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post("/exec", json=run, timeout=httpx.Timeout(1))

    eventually(
        lambda: service.log("executor").count("failed: cancelled") > before,
        "the executor ends it",
        timeout_s=LIMIT_S - 1,  # By then its time would be over.
    )
    service.rest()


def test_a_program_calls_a_tool_and_goes_on_with_what_it_is_told(caller: Caller) -> None:
    client = programs(caller)

    answer = client.run("print('asked'); print(await repeat(value=[1, 'two']))")

    assert (answer["status"], answer["stdout"]) == ("completed", "asked\n[1, 'two']\n")
    assert [[call["input"] for call in calls] for calls in client.rounds] == [
        [{"value": [1, "two"]}]
    ]


def test_one_whose_time_is_over_is_stopped_and_what_it_has_printed_is_told(
    caller: Caller,
) -> None:
    answer = caller.run("echo before; sleep 600", lang="bash")

    assert (answer["status"], answer["signal"], answer["code"]) == ("TO", "SIGKILL", None)
    assert answer["stdout"] == "before\n"


def test_what_waits_too_long_for_an_executor_is_never_run(
    service: RunningService, caller: Caller
) -> None:
    """The broker has given it to one that does not stir, or holds it for it."""
    executor = service.child("executor")
    assert executor is not None
    told = {"CODE_EXEC_TIMEOUT": "0.5", "QUEUE_TIMEOUT": "0.5", "CODE_API_KEY": "k" * 20}
    with lone_api(service, told) as client:
        eventually(
            lambda: client.get("/health").json()["parts"]["executors"] == 1, "it knows of it"
        )
        os.kill(executor, signal.SIGSTOP)
        try:
            late = client.post(
                "/exec",
                json={"lang": "bash", "code": "echo late"},
                headers={"X-API-Key": "k" * 20, "X-Request-ID": "late"},
                timeout=30,
            )
        finally:
            os.kill(executor, signal.SIGCONT)

    assert late.status_code == 504
    assert caller.run("print(1)")["stdout"] == "1\n"
    eventually(lambda: lines_of(service, "late"), "it gets the run all the same")
    (line,) = lines_of(service, "late")
    assert "bash: failed: deadline_exceeded" in line or "bash: failed: cancelled" in line


def test_a_run_whose_executor_is_killed_is_answered_all_the_same(
    service: RunningService, caller: Caller
) -> None:
    service.rest()
    killed = service.child("executor")
    with ThreadPoolExecutor(1) as elsewhere:
        answer = elsewhere.submit(bash, service, "sleep 2; echo done | tee done.txt")
        await_begun(service)
        service.kill("executor")
        found = answer.result(LOST_S)

    assert found.json()["stdout"] == "done\n"
    assert caller.download(stored_files(found.json())["done.txt"]) == b"done\n"
    assert service.child("executor") not in {None, killed}
    service.rest()
