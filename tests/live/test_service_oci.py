"""The running service where the OCI runtime itself makes the sandboxes (SANDBOX_ENGINE=oci)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from infra.local.sandbox_engine import DEFAULT_RUNTIME
from tests.executor import oci_view
from tests.live.running_service import RunningService, eventually, running_service
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

SETTINGS = {"SANDBOX_ENGINE": "", "CODE_EXECUTOR_ID": "live-oci", "SANDBOX_POOL_SIZE": "2"}
"""Nothing is said of an engine, as when a person types `up`."""

OWNER = SETTINGS["CODE_EXECUTOR_ID"]
BURST = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("oci") / "work", SETTINGS) as service:
        yield service
    assert oci_view.boxes_of(OWNER) == set()


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Iterator[Caller]:
    with service.caller() as caller:
        yield caller


def rest() -> None:
    eventually(lambda: len(oci_view.boxes_of(OWNER)) == 2, "the pool is full and no more")


def test_up_says_who_makes_the_sandboxes_and_docker_makes_none(
    service: RunningService, caller: Caller
) -> None:
    assert f"sandboxes are made by {DEFAULT_RUNTIME} itself" in service.output
    assert caller.run("print(6 * 7)")["stdout"] == "42\n"
    assert service.containers(ended=True) == set()
    rest()


def test_files_go_in_and_out(caller: Caller) -> None:
    uploaded = caller.upload("a.csv", b"n\n1\n2\n")
    answer = caller.run(
        "import pandas as pd\npd.read_csv('a.csv').mul(2).to_csv('b.csv', index=False)",
        uploaded,
    )

    assert answer["stderr"] == ""
    assert caller.download(stored_files(answer)["b.csv"]) == b"n\n2\n4\n"


def test_a_large_run_has_more_memory(caller: Caller) -> None:
    taking = "x = bytearray(600 << 20)  # {}"

    assert caller.run(taking.format("soffice"))["code"] == 0
    assert caller.run(taking.format("small"))["status"] == "SG"


def test_a_crowd_is_served_to_the_last(service: RunningService) -> None:
    def ask(number: int) -> str:
        with service.caller() as one:
            return one.run(f"print({number})")["stdout"]

    with ThreadPoolExecutor(BURST) as clients:
        answers = list(clients.map(ask, range(BURST)))

    assert answers == [f"{number}\n" for number in range(BURST)]
    eventually(lambda: len(oci_view.boxes_of(OWNER)) <= 8, "what was used is gone")


def test_a_client_that_leaves_takes_its_sandbox_with_it(
    service: RunningService, caller: Caller
) -> None:
    with pytest.raises(httpx.ReadTimeout), service.caller() as leaving:
        leaving.http.post(
            "/exec", json={"lang": "bash", "code": "sleep 600"}, timeout=httpx.Timeout(1)
        )

    rest_of_programs = "pgrep -c sleep || true"
    eventually(lambda: "sleep" not in programs(), "the program is gone")
    assert caller.run(rest_of_programs, lang="bash")["stdout"] == "0\n"


def test_a_run_whose_executor_is_killed_is_answered_and_nothing_is_left(
    service: RunningService,
) -> None:
    code = "sleep 3; echo done"
    with service.caller() as caller, ThreadPoolExecutor(1) as elsewhere:
        answer = elsewhere.submit(caller.run, code, lang="bash")
        eventually(lambda: "sleep" in programs(), "the program runs")
        before = oci_view.boxes_of(OWNER)
        service.kill("executor")

        assert answer.result(timeout=60)["stdout"] == "done\n"

    eventually(lambda: not before & oci_view.boxes_of(OWNER), "the dead one's are gone")


def programs() -> set[str]:
    """Names of what runs in our sandboxes."""
    return {oci_view.program_of(pid) for pid in oci_view.processes_of(OWNER)}
