"""Two hosts behind one broker: work spreads, and goes on when one of them does not."""

import signal
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tests.faults.faulty_link import Cut
from tests.faults.outages import measured
from tests.fleet.fleet import ANSWERED_S, SLOTS, Fleet
from tests.fleet.runs import (
    LASTING,
    all_are_told_while_one_host_lacks_storage,
    ask,
    begin,
    came_through,
    is_what_was_told,
    ran_on,
)
from tests.live.programmatic import programs, result
from tests.live.running_service import eventually
from tests.live.running_service_caller import stored_files

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


class TestBothWell:
    def test_runs_spread_whichever_replica_they_came_through(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        answers = [
            clients.submit(ask, fleet.replicas[number % 2], f"sleep 1; echo {number}")
            for number in range(4 * SLOTS)
        ]

        assert came_through(answers) == [f"{number}\n" for number in range(4 * SLOTS)]
        hosts = Counter(ran_on(fleet, answer.result()).name for answer in answers)
        assert min(hosts.values()) >= SLOTS
        assert len(hosts) == 2

    def test_a_file_of_one_host_is_an_input_on_any(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        made = fleet.caller.run("echo shared > notes.txt", lang="bash")
        (notes,) = stored_files(made).values()
        run = {"lang": "bash", "code": "sleep 1; cat notes.txt", "files": [notes.reference]}

        answers = [
            clients.submit(fleet.replicas[1].http.post, "/exec", json=run)
            for _ in range(2 * SLOTS)
        ]

        assert came_through(answers) == ["shared\n"] * (2 * SLOTS)
        assert {ran_on(fleet, answer.result()) for answer in answers} == {*fleet.hosts}


class TestScaling:
    def test_two_hosts_do_more_in_a_time_than_one(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        """Programs that wait, or the one machine that both hosts are here would count."""

        def work_s() -> float:
            began_at = time.monotonic()
            answers = [clients.submit(ask, fleet.caller, "sleep 2") for _ in range(4 * SLOTS)]
            assert {answer.result().status_code for answer in answers} == {200}
            return time.monotonic() - began_at

        both_s = work_s()
        fleet.hosts[0].send(signal.SIGTERM)
        assert fleet.hosts[0].ended() == 0
        fleet.await_executors(1)
        one_s = work_s()

        print(f"[runs of 2 s: {both_s:.1f} s on two hosts, {one_s:.1f} s on one]")  # noqa: T201 - a figure to follow
        assert one_s > 1.3 * both_s


class TestKilled:
    def test_a_plain_run_is_run_on_the_other_host_and_leaves_its_files_once(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        before = fleet.stored()
        answer, host = begin(fleet, clients)

        with measured("an executor of two, killed"):
            host.send(signal.SIGKILL)

            assert answer.result(ANSWERED_S).status_code == 200, answer.result().text
        assert ran_on(fleet, answer.result()) is fleet.other(host)
        is_what_was_told(fleet, answer.result())
        assert len(fleet.stored() - before) == 2  # The file, and the record.

    def test_a_program_that_has_called_a_tool_is_not_begun_again(self, fleet: Fleet) -> None:
        client = programs(fleet.caller)
        begun = client.begin("print(await repeat(value=1))")
        host = fleet.host_that_ran(begun["session_id"])
        other = fleet.other(host)
        runs = other.log.count("session ")
        host.send(signal.SIGKILL)
        began_at = time.monotonic()

        told = client.post(
            {"continuation_token": begun["continuation_token"], "tool_results": [result(1)]}
        )

        assert time.monotonic() - began_at < ANSWERED_S
        assert told.status_code == 404
        assert told.json()["error"] == "Execution not found or expired"
        assert other.log.count("session ") == runs


class TestStopped:
    def test_its_run_is_run_on_the_other_host_and_it_spoils_nothing_when_it_goes_on(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        answer, host = begin(fleet, clients)
        with host.stopped():
            assert answer.result(ANSWERED_S).status_code == 200, answer.result().text
            assert ran_on(fleet, answer.result()) is fleet.other(host)

        fleet.rest()
        assert ran_on(fleet, answer.result()) is fleet.other(host)
        is_what_was_told(fleet, answer.result())

    def test_runs_that_the_broker_hands_to_it_all_the_same_are_run(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        """Redis gives the next message to who has waited longest, whether they read or not."""
        with fleet.hosts[0].stopped():
            answers = [
                clients.submit(ask, fleet.caller, f"echo {number}") for number in range(3)
            ]

            with measured("runs beside a host that is stopped"):
                assert came_through(answers) == ["0\n", "1\n", "2\n"]


class TestToldToEnd:
    def test_it_ends_what_is_short_and_hands_back_what_is_not(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        short, host = begin(fleet, clients, "sleep 2; echo short")
        lasting: list[Future[httpx.Response]] = []
        while len(lasting) < 2 * SLOTS - 1:
            lasting.append(clients.submit(ask, fleet.caller, LASTING))
        eventually(lambda: len(host.containers()) > SLOTS, "all of its slots are taken")

        host.send(signal.SIGTERM)

        later = clients.submit(ask, fleet.replicas[1], "echo later")
        with measured("an executor of two, told to end"):
            assert host.ended() == 0
        assert host.containers() == set()
        assert came_through([short, later]) == ["short\n", "later\n"]
        assert ran_on(fleet, short.result()) is host
        for answer in lasting:
            assert answer.result(ANSWERED_S).status_code == 200, answer.result().text
            assert ran_on(fleet, answer.result()) is fleet.other(host)
            is_what_was_told(fleet, answer.result())
        assert "failed: handed_back" in host.log


class TestCutOff:
    def test_from_the_broker_its_run_is_run_on_the_other_host(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        answer, host = begin(fleet, clients)
        pid = host.pid
        with host.links.to_broker.with_fault(Cut()), measured("a host that is cut off"):
            assert answer.result(ANSWERED_S).status_code == 200, answer.result().text
            assert ran_on(fleet, answer.result()) is fleet.other(host)

        fleet.rest()
        is_what_was_told(fleet, answer.result())
        assert host.pid == pid

    def test_from_the_object_store_every_run_is_told_in_time(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        with fleet.hosts[0].links.to_storage.with_fault(Cut()):
            all_are_told_while_one_host_lacks_storage(fleet, clients)


class TestWithoutItsEngine:
    def test_it_takes_no_new_runs_and_says_so_until_the_engine_is_back(
        self, fleet: Fleet, clients: ThreadPoolExecutor
    ) -> None:
        host = fleet.hosts[0]
        host.engine.end(signal.SIGKILL)
        eventually(host.refuses, "it says that it takes none")

        answers = [
            clients.submit(ask, fleet.caller, f"echo {number}") for number in range(4 * SLOTS)
        ]

        assert came_through(answers) == [f"{number}\n" for number in range(4 * SLOTS)]
        assert "no new runs are taken: Docker" in host.log
        host.engine.start()
        fleet.rest()
        assert "new runs are taken again" in host.log
