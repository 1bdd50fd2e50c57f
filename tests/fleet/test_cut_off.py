"""A host whose wires are cut: nobody hears anything, not even that a connection has broken."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor.signs_of_life import HEARTBEAT_INTERVAL_S, HEARTBEAT_TTL_S
from tests.faults.outages import measured
from tests.fleet.fleet import ANSWERED_S, SLOTS, Fleet
from tests.fleet.host import Host
from tests.fleet.runs import (
    all_are_told_while_one_host_lacks_storage,
    ask,
    begin,
    came_through,
    is_what_was_told,
    ran_on,
)
from tests.live.programmatic import programs, result
from tests.live.running_service import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

NOTICED_S = 10
"""After its run is answered elsewhere, a host gives up a broker of which it hears nothing."""
BACK_S = 30
"""A host takes runs again so soon after its wires are whole."""


def has_noticed(host: Host, since: int) -> bool:
    """Whether its log, from that character on, tells that the broker is gone.

    One that has not would be as long again in coming back as it was cut off: TCP sends again
    at ever longer intervals.
    """
    told = host.log[since:]
    return "dropping stale connection" in told or "Connection to broker lost" in told


def takes_runs_again(fleet: Fleet, host: Host, clients: ThreadPoolExecutor) -> None:
    """Wait until a host that was cut off runs programs, which it does by itself."""

    def is_given_one() -> bool:
        answers = [clients.submit(ask, fleet.caller, "sleep 1") for _ in range(2 * SLOTS)]
        return host in {ran_on(fleet, answer.result(ANSWERED_S)) for answer in answers}

    with measured("a host whose wires are whole again"):
        eventually(is_given_one, f"{host.name} takes runs:\n{host.log}", timeout_s=BACK_S)


def only_its_pool_is_left(host: Host) -> None:
    eventually(lambda: len(host.containers()) == 1, f"{host.name} has its pool alone")


class TestWhole:
    def test_each_host_serves_from_a_network_of_its_own(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        program = "sleep 1; echo made | tee out.txt"
        answers = [clients.submit(ask, fleet.caller, program) for _ in range(2 * SLOTS)]

        assert came_through(answers) == ["made\n"] * (2 * SLOTS)
        assert {ran_on(fleet, answer.result()) for answer in answers} == {*fleet.hosts}
        for answer in answers:
            is_what_was_told(fleet, answer.result())
        ours = Path("/proc/self/ns/net").stat().st_ino
        theirs = {Path(f"/proc/{host.pid}/ns/net").stat().st_ino for host in fleet.hosts}
        assert len(theirs - {ours}) == len(fleet.hosts)


class TestWhileAProgramRuns:
    @pytest.mark.parametrize("lost", ["broker and object store", "broker"])
    def test_it_is_run_on_the_other_host_and_the_host_comes_back_by_itself(
        self, fleet: Fleet, clients: ThreadPoolExecutor, lost: str
    ) -> None:
        answer, host = begin(fleet, clients)
        pid, namespace = host.pid, host.links.namespace
        wires = [namespace.to_broker] if lost == "broker" else []
        told = len(host.log)
        with namespace.cut_off(*wires), measured(f"a host that lost {lost}"):
            assert answer.result(ANSWERED_S).status_code == 200, answer.result().text
            assert ran_on(fleet, answer.result()) is fleet.other(host)
            fleet.await_executors(1)
            eventually(
                lambda: has_noticed(host, told),
                "it notices",
                timeout_s=NOTICED_S,
            )

        takes_runs_again(fleet, host, clients)
        fleet.rest()
        assert host.pid == pid
        is_what_was_told(fleet, answer.result())
        assert ran_on(fleet, answer.result()) is fleet.other(host)
        only_its_pool_is_left(host)


class TestWhileIdle:
    def test_no_run_is_lost_and_health_tells_of_it_once_its_sign_of_life_expires(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        host = fleet.hosts[0]
        with host.links.namespace.cut_off():
            cut_at = time.monotonic()
            answers = [
                clients.submit(ask, fleet.replicas[number % 2], f"echo {number}")
                for number in range(2 * SLOTS)
            ]
            fleet.await_executors(1)
            missed_after_s = time.monotonic() - cut_at

            with measured("runs beside a host that lost everything"):
                assert came_through(answers) == [f"{n}\n" for n in range(2 * SLOTS)]
            ran = {ran_on(fleet, answer.result()) for answer in answers}
            assert ran == {fleet.other(host)}
        last_sign_s = HEARTBEAT_INTERVAL_S  # It may have been given so long before.
        assert missed_after_s > HEARTBEAT_TTL_S - last_sign_s
        assert missed_after_s < HEARTBEAT_TTL_S + 3 * HEARTBEAT_INTERVAL_S

        takes_runs_again(fleet, host, clients)


class TestFromTheObjectStoreAlone:
    def test_every_run_is_told_in_time(self, fleet: Fleet, clients: ThreadPoolExecutor) -> None:
        namespace = fleet.hosts[0].links.namespace
        with namespace.cut_off(namespace.to_storage):
            all_are_told_while_one_host_lacks_storage(fleet, clients)

    def test_a_program_that_runs_is_answered_with_what_is_lost(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        answer, host = begin(fleet, clients)
        namespace = host.links.namespace
        with namespace.cut_off(namespace.to_storage), measured("a file that is lost"):
            told = answer.result(ANSWERED_S).json()

        assert ran_on(fleet, answer.result()) is host
        assert (told["files"], told["artifact_delivery"]["status"]) == ([], "failed")
        assert "lost, because storage failed" in told["stderr"]
        assert told["stdout"]


class TestWhileAProgramWaitsForATool:
    def test_it_is_not_begun_again_and_its_client_is_told(self, fleet: Fleet) -> None:
        client = programs(fleet.caller)
        begun = client.begin("print(await repeat(value=1))")
        host = fleet.host_that_ran(begun["session_id"])
        other = fleet.other(host)
        runs = other.log.count("session ")
        with host.links.namespace.cut_off(), measured("a continuation"):
            began_at = time.monotonic()
            told = client.post(
                {"continuation_token": begun["continuation_token"], "tool_results": [result(1)]}
            )
            took_s = time.monotonic() - began_at

        assert (told.status_code, told.json()["error"]) == (
            404,
            "Execution not found or expired",
        )
        assert took_s < ANSWERED_S
        fleet.rest()
        assert other.log.count("session ") == runs
        # Where the continuation was lost on its way, the program waits on until its time is up.
        host.send(signal.SIGTERM)
        assert host.ended() == 0
        assert host.containers() == set()
