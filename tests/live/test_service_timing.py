"""Where the time of a run goes, as the running service tells it to clients and Prometheus."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_altered import lone_api
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

RUN = {"lang": "py", "code": "import time; time.sleep(0.2); open('a.txt', 'w').write('a')"}


@pytest.fixture(scope="module")
def telling(service: RunningService) -> Iterator[httpx.Client]:
    """A client of an API that tells everything."""
    with lone_api(service, {"SERVER_TIMING": "true", "METRICS": "open"}) as client:
        yield client


def run(client: httpx.Client, service: RunningService) -> httpx.Response:
    key = next(iter(service.keys.values()))
    answer = client.post("/exec", json=RUN, headers={"X-API-Key": key}, timeout=120)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer


def test_steps_add_up_to_no_more_than_the_client_waits(
    telling: httpx.Client, service: RunningService
) -> None:
    began = time.perf_counter()
    header = run(telling, service).headers["server-timing"]
    waited_ms = (time.perf_counter() - began) * 1000

    steps = {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.]+)", header)}
    total_ms = steps.pop("total")
    program_ms = steps.pop("program")  # A part of `run`.
    rounded_ms = 0.01 * len(steps)
    assert 200 <= program_ms <= steps["run"] + 1
    assert sum(steps.values()) <= total_ms + rounded_ms
    assert total_ms <= waited_ms
    # Next to nothing is left that no step accounts for.
    assert sum(steps.values()) >= 0.9 * total_ms
    for step in ("admit", "send", "queue", "prepare", "run", "outputs", "record", "reply"):
        assert steps[step] > 0, step


def test_nothing_is_told_by_default(service: RunningService, caller: Caller) -> None:
    assert "server-timing" not in run(caller.http, service).headers
    assert caller.http.get("/metrics").status_code == httpx.codes.NOT_FOUND


def test_runs_and_their_steps_are_counted(
    telling: httpx.Client, service: RunningService
) -> None:
    def count(sample: str) -> float:
        found = re.search(
            rf"^{re.escape(sample)} (\S+)$", telling.get("/metrics").text, re.MULTILINE
        )
        return float(found[1]) if found else 0

    runs = 'code_command_runs_total{language="py",outcome="succeeded",tenant_class="key"}'
    steps = 'code_command_run_step_seconds_count{languages="python",step="record"}'
    before = count(runs), count(steps)

    run(telling, service)

    assert (count(runs), count(steps)) == (before[0] + 1, before[1] + 1)
    assert count('code_command_executors{engine="up"}') == 1
    name = service.executor_id
    assert count(f'code_command_slots{{executor="{name}",state="capacity"}}') > 0
    assert count(f'code_command_executor_sandboxes_made_total{{executor="{name}"}}') > 0
