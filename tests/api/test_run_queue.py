"""Deadlines on the queue are by the broker's clock, whatever the API's says."""

import base64
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from api.run_queue import RedisRunQueue
from executor.messages import QUEUE_NAME, RunRequest
from tests.api.broker import running_valkey

pytestmark = pytest.mark.anyio

WAIT_S = 30.0


@pytest.mark.parametrize("wrong_by_s", [0, 60, -60])
async def test_a_deadline_is_as_far_away_as_it_was(
    monkeypatch: pytest.MonkeyPatch, wrong_by_s: float
) -> None:
    wrong = SimpleNamespace(time=lambda: time.time() + wrong_by_s, monotonic=time.monotonic)
    monkeypatch.setattr("api.run_queue.time", wrong)
    request = RunRequest(
        run_id="run",
        session_id="S" * 21,
        tenant="default",
        user="somebody",
        language="py",
        code="1",
        deadline=wrong.time() + WAIT_S,
    )
    with running_valkey() as valkey:
        queue = RedisRunQueue(valkey.url)
        await queue.send(request)
        await queue.close()
        with valkey.connect() as client:
            found: Any = client.lrange(QUEUE_NAME, 0, -1)

    (sent,) = json.loads(base64.b64decode(json.loads(found[0])["body"]))[0]
    assert sent["deadline"] == pytest.approx(time.time() + WAIT_S, abs=1)
