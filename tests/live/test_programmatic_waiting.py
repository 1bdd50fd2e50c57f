"""Programs that wait: how many, and what becomes of them when their executor goes."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.live.programmatic import Programs, programs, result
from tests.live.running_service import TENANTS, RunningService, eventually, running_service

pytestmark = pytest.mark.docker

SETTINGS = {"PROGRAMMATIC_MAX_WAITING": "4", "PROGRAMMATIC_MAX_WAITING_PER_TENANT": "2"}
WAITS = "print(await repeat(value=1))"
LOST_S = 20.0
"""An executor that was killed is missed after 7 to 12 s."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that lets few programs wait."""
    with running_service(tmp_path_factory.mktemp("small") / "work", SETTINGS) as service:
        yield service


@pytest.fixture
def ours(small: RunningService) -> Iterator[Programs]:
    with small.caller() as caller:
        yield programs(caller)


@pytest.fixture
def theirs(small: RunningService) -> Iterator[Programs]:
    with small.caller(TENANTS[1]) as caller:
        yield programs(caller)


def outcome(client: Programs, token: str) -> tuple[int, str]:
    answer = client.post({"continuation_token": token, "tool_results": [result(1)]})
    body = answer.json()
    return answer.status_code, body.get("status") or body["error"]


GONE = (404, "Execution not found or expired")
FINE = (200, "completed")


def waiting(client: Programs) -> str:
    token: str = client.begin(WAITS)["continuation_token"]
    return token


class TestCaps:
    def test_the_oldest_makes_room_for_another(self, ours: Programs, theirs: Programs) -> None:
        first, second = waiting(ours), waiting(theirs)
        tokens = [waiting(client) for client in (ours, theirs, ours, theirs)]

        assert outcome(ours, first) == GONE
        assert outcome(theirs, second) == GONE
        clients = (ours, theirs, ours, theirs)
        assert [outcome(*each) for each in zip(clients, tokens, strict=True)] == [FINE] * 4

    def test_nobody_makes_room_for_another_tenant(
        self, ours: Programs, theirs: Programs
    ) -> None:
        quiet = waiting(theirs)
        loud = [waiting(ours) for _ in range(4)]

        assert outcome(theirs, quiet) == FINE
        assert [outcome(ours, token) for token in loud] == [GONE, GONE, FINE, FINE]


class TestFreezing:
    def test_what_waits_is_frozen(self, small: RunningService, ours: Programs) -> None:
        token = waiting(ours)
        eventually(lambda: "paused" in small.states())
        told = outcome(ours, token)

        assert told == FINE
        small.rest()


class TestLoss:
    def test_an_executor_that_is_killed_takes_its_programs_along_and_nobody_hangs(
        self, small: RunningService, ours: Programs
    ) -> None:
        token = waiting(ours)
        before = small.child("executor")
        small.kill("executor")
        began_at = time.monotonic()
        told = outcome(ours, token)
        took_s = time.monotonic() - began_at
        eventually(lambda: small.child("executor") not in {None, before})
        small.rest()

        assert told == GONE
        assert took_s < LOST_S
        assert outcome(ours, token) == GONE

    def test_an_executor_that_ends_in_order_ends_its_programs_and_nobody_hangs(
        self, small: RunningService, ours: Programs
    ) -> None:
        token = waiting(ours)
        before = small.child("executor")
        assert before is not None
        os.kill(before, signal.SIGTERM)
        # Until it has ended, it may go on with what it holds: runs have some seconds to end.
        eventually(lambda: small.child("executor") != before)
        began_at = time.monotonic()
        told = outcome(ours, token)
        took_s = time.monotonic() - began_at
        eventually(lambda: small.child("executor") is not None)
        small.rest()

        assert told == GONE
        assert took_s < LOST_S

    def test_an_api_that_starts_again_goes_on_with_what_waits(
        self, small: RunningService, ours: Programs
    ) -> None:
        """A continuation reaches the sandbox from any process of the API (trap 29)."""
        token = waiting(ours)
        before = small.child("api")
        small.kill("api")

        def answers() -> bool:
            try:
                return ours.caller.http.get("/health").status_code == 200
            except httpx.TransportError:
                return False

        eventually(lambda: small.child("api") not in {None, before} and answers())

        assert outcome(ours, token) == FINE

    def test_one_that_waits_when_all_ends_leaves_nothing(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("ending") / "work"
        with running_service(folder) as service, service.caller() as caller:
            programs(caller).begin(WAITS)
            eventually(lambda: "paused" in service.states())

            assert service.end(signal.SIGTERM) == 0
            assert service.containers(ended=True) == set()
            service.start()
