"""The container engine goes away, and comes back."""

import time

import pytest

from tests.faults.engine_door import EngineDoor
from tests.faults.outages import DEADLINE_S, ask_until_well, health, measured, outage
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller

pytestmark = [pytest.mark.docker, pytest.mark.case(57)]


def test_away_it_is_told_and_back_it_is_used_again(
    fragile: RunningService, caller: Caller, door: EngineDoor
) -> None:
    door.shut()
    try:
        began_at = time.monotonic()
        refused = caller.http.post("/exec", json={"lang": "py", "code": "1"})
        assert time.monotonic() - began_at < DEADLINE_S
        assert refused.status_code == 503
        # The executor tried, or had noticed by then that it need not.
        assert outage(refused) in {"microvm_launch_failed", "microvm_unhealthy"}
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

    with measured("the engine, back"):
        ask_until_well(
            lambda: caller.http.post(
                "/exec", json={"lang": "bash", "code": "cat *.txt", "files": [notes.reference]}
            )
        )
