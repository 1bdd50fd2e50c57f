"""RabbitMQ goes away and comes back while the whole service is in use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.broker import running_valkey
from tests.live.programmatic import programs, result
from tests.live.rabbitmq import VIRTUAL_HOSTS, RabbitMQ, restartable_rabbitmq
from tests.live.running_service import RunningService, eventually, running_service
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

OUTAGES = 2
RUNS = 3


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with restartable_rabbitmq(tmp_path_factory.mktemp("rabbitmq") / "broker") as rabbitmq:
        yield rabbitmq


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitMQ
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("on-rabbitmq")
    with running_valkey() as valkey:
        settings = {
            "BROKER_URL": rabbitmq.url + VIRTUAL_HOSTS[0],
            "RESULT_BACKEND_URL": valkey.url,
            "CODE_EXEC_TIMEOUT": "15",
            "EXECUTOR_CONCURRENCY": "4",
            "QUEUE_TIMEOUT": "15",
        }
        with running_service(folder / "work", settings) as service:
            yield service


@pytest.fixture
def caller(service: RunningService) -> Iterator[Caller]:
    with service.caller() as caller:
        yield caller


def health(caller: Caller) -> int:
    return caller.http.get("/health").status_code


@pytest.mark.parametrize("outage", range(OUTAGES))
def test_what_runs_is_answered_and_what_comes_afterwards_too(
    service: RunningService, caller: Caller, rabbitmq: RabbitMQ, outage: int
) -> None:
    service.rest()
    executor = service.child("executor")
    client = programs(caller)
    token = client.begin("print(await repeat(value=1))")["continuation_token"]
    with ThreadPoolExecutor(RUNS) as elsewhere:
        codes = [f"sleep 4; echo {outage}.{run}" for run in range(RUNS)]
        running = [elsewhere.submit(bash, service, code) for code in codes]
        eventually(lambda: in_use(service) == RUNS + 1, "they run, and the other one waits")
        rabbitmq.stop()
        eventually(lambda: health(caller) == 503, "it is noticed")
        refused = caller.http.post("/exec", json={"lang": "bash", "code": "true"})
        during = [each.result()["stdout"] for each in running]
    rabbitmq.start()
    eventually(lambda: health(caller) == 200, "so is that it is back")

    assert refused.status_code == 503
    assert during == [f"{outage}.{run}\n" for run in range(RUNS)]
    assert caller.run("echo back", lang="bash")["stdout"] == "back\n"
    told = client.carry_on(token, [result(1)])
    assert (told["status"], told["stdout"]) == ("completed", "1\n")
    assert service.child("executor") == executor


def bash(service: RunningService, code: str) -> Any:
    """Run a script with a client of its own; return the answer."""
    with service.caller() as caller:
        return caller.run(code, lang="bash")


def in_use(service: RunningService) -> int:
    """Return how many sandboxes there are besides those that wait for programs."""
    return len(service.containers()) - service.pool_size
