"""An executor whose clock is a minute wrong: its runs and its files live as long as others'."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from redis import Redis

from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, HEARTBEAT_TTL_S
from tests.faults.outages import FRAGILE_SETTINGS
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_altered import broker_url, lone_api, storage_settings

pytestmark = [pytest.mark.docker, pytest.mark.case(60)]

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
WRONG_BY_S = (60, -60)
MAX_AGE_S = 5.0
DATABASE = 1
"""Of the shared service's broker: its own executor does not listen there."""

KEY = "k" * 20


@pytest.fixture
def faulty(service: RunningService) -> RunningService:
    """The service beside whose parts the executor runs."""
    return service


@pytest.fixture(params=WRONG_BY_S, ids=lambda wrong_by_s: f"{wrong_by_s:+}s")
def client(
    request: pytest.FixtureRequest, service: RunningService, tmp_path: Path
) -> Iterator[httpx.Client]:
    """A client of an API whose only executor has a wrong clock."""
    assert LIBRARIES, "these tests need Debian's libfaketime"
    owner = f"clock-{request.param}"
    settings = {
        **FRAGILE_SETTINGS,
        "BROKER_URL": broker_url(service, database=DATABASE),
        "CODE_API_KEY": KEY,
        "SESSION_MAX_AGE_HOURS": str(MAX_AGE_S / 3600),
    }
    wrong = {
        "CODE_EXECUTOR_ID": owner,
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{request.param:+}s",
        # A clock that was set wrong shows in the time of day alone.
        "DONT_FAKE_MONOTONIC": "1",
    }
    with ExitStack() as stack:
        client = stack.enter_context(lone_api(service, settings))
        client.headers["X-API-Key"] = KEY
        log = stack.enter_context((tmp_path / "executor.log").open("wb"))
        executor = subprocess.Popen(
            (sys.executable, "-P", "-m", "executor"),
            env={**service.environment, **storage_settings(service), **settings, **wrong},
            stdout=log,
            stderr=log,
        )
        stack.callback(executor.wait, 30)
        stack.callback(executor.terminate)
        eventually(lambda: _sign_ttl_ms(service, owner) > 0, "it gives signs of life")
        yield client
    assert "clock differs from the broker's by" in (tmp_path / "executor.log").read_text()


def _sign_ttl_ms(service: RunningService, owner: str) -> int:
    with closing(Redis.from_url(broker_url(service, database=DATABASE))) as broker:
        keys = broker.keys(f"{HEARTBEAT_KEY_PREFIX}{owner}-*")
        assert isinstance(keys, list)
        found = broker.pttl(keys[0]) if keys else 0
    assert isinstance(found, int)
    assert found <= HEARTBEAT_TTL_S * 1000
    return found


def test_its_runs_are_taken_and_its_files_expire_when_they_should(
    client: httpx.Client,
) -> None:
    began_at = time.time()
    answer = client.post(
        "/exec", json={"lang": "bash", "code": "date +%s; echo 1 > out.txt"}, timeout=60
    ).json()
    (out,) = answer["files"]
    path = f"/download/{answer['session_id']}/{out['id']}"
    found = client.get(path)
    ended_at = time.time()

    assert found.content == b"1\n"
    eventually(lambda: client.get(path).status_code == 404, "it is gone")
    assert began_at + MAX_AGE_S <= time.time() <= ended_at + MAX_AGE_S + 2
