"""Clients that leave, and clients that take for ever: nobody else notices."""

import httpx
import pytest

from tests.faults.outages import ENDLESS_PROGRAM, measured
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker


@pytest.mark.case(56)
def test_of_a_client_that_leaves_the_sandbox_is_gone_within_seconds(
    fragile: RunningService, caller: Caller
) -> None:
    (waiting,) = fragile.containers()
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post("/exec", json=ENDLESS_PROGRAM, timeout=1)

    with measured("a client that leaves"):
        eventually(lambda: waiting not in fragile.containers(ended=True), timeout_s=6)
