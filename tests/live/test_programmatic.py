"""Programs that call tools, through the running service."""

import threading
from typing import Any

import pytest

from tests.live.programmatic import Programs, programs, result
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

WAITS = "print('first')\nprint(await repeat(value=1))\nprint(await repeat(value=2))"


@pytest.fixture
def ours(caller: Caller) -> Programs:
    return programs(caller)


class TestRounds:
    def test_a_program_of_twenty_rounds_is_one_run(self, ours: Programs) -> None:
        code = """
import random, time
random.seed(7)
began, drawn = time.monotonic(), []
for n in range(20):
    drawn.append(random.random())
    assert await repeat(value=n) == n
random.seed(7)
print(drawn == [random.random() for _ in range(20)])
open('left.txt', 'w').write('once')
"""
        answer = ours.run(code)

        assert answer["stdout"] == "True\n", answer
        assert [[call["id"] for call in calls] for calls in ours.rounds] == [
            [f"call_{n:03}"] for n in range(1, 21)
        ]
        (file,) = stored_files(answer).values()
        assert ours.caller.download(file) == b"once"

    def test_a_hundred_calls_at_once_are_one_round(self, ours: Programs) -> None:
        code = "print(sum(await asyncio.gather(*(repeat(value=n) for n in range(100)))))"
        answer = ours.run(code)

        assert (answer["stdout"], len(ours.rounds)) == ("4950\n", 1)

    def test_jobs_of_bash_are_one_round(self, ours: Programs) -> None:
        code = """
for n in 1 2 3; do repeat "{\\"value\\":$n}" > $n & done
wait; cat 1 2 3
"""
        answer = ours.run(code, "bash")

        assert (answer["stdout"], len(ours.rounds)) == ("123", 1)

    def test_every_round_has_the_same_session_and_what_was_printed_so_far(
        self, ours: Programs
    ) -> None:
        first = ours.begin(WAITS)
        second = ours.carry_on(first["continuation_token"], [result(1, "a")])
        last = ours.carry_on(second["continuation_token"], [result(2, "b")])

        sessions = {answer["session_id"] for answer in (first, second, last)}
        assert len(sessions) == 1
        assert first["partial_stdout"] == "first\n"
        assert second["partial_stdout"] == "first\na\n"
        assert last["stdout"] == "first\na\nb\n"

    def test_inputs_are_there_and_told_as_by_exec(self, ours: Programs) -> None:
        file = ours.caller.upload("in.txt", b"content")
        code = "print(open('in.txt').read(), await repeat(value=1))"
        answer = ours.run(code, files=[file.reference])

        assert answer["stdout"] == "content 1\n"
        assert [(each["id"], each["inherited"]) for each in answer["files"]] == [
            (file.id, True)
        ]

    def test_no_tools_at_all_are_fine(self, ours: Programs) -> None:
        body = {"code": "print(1 + await asyncio.sleep(0, 1))", "tools": []}

        assert ours.post(body).json()["stdout"] == "2\n"

    def test_a_program_that_fails_is_an_error_with_its_traceback(self, ours: Programs) -> None:
        answer = ours.run("await repeat(value=1)\nprint('here')\nraise ValueError('no')")

        assert (answer["status"], answer["error"]) == ("error", "Sandbox exited with code 1")
        assert answer["stdout"] == "here\n"
        assert 'File "/mnt/data/main.py", line 3, in <module>' in answer["stderr"]

    def test_the_clients_timeout_bounds_what_it_runs(self, ours: Programs) -> None:
        answer = ours.run("await repeat(value=1)\nwhile True: pass", timeout=1000)

        assert (answer["status"], answer["error"]) == ("error", "Time limit exceeded")

    def test_plain_runs_go_on_beside_programs_that_wait(
        self, ours: Programs, service: RunningService
    ) -> None:
        waiting = [ours.begin(WAITS) for _ in range(6)]  # More than run at once.
        plain = ours.caller.run("print(6 * 7)")
        for begun in waiting:
            second = ours.carry_on(begun["continuation_token"], [result(1)])
            ours.carry_on(second["continuation_token"], [result(2)])
        service.rest()

        assert plain["stdout"] == "42\n"


class TestContinuation:
    """The rows of contract 4.4 that need a real program; the others are tests/api's."""

    def test_a_part_is_taken_and_the_rest_asked_for_again(self, ours: Programs) -> None:
        first = ours.begin("print(await asyncio.gather(repeat(value=1), repeat(value=2)))")
        token = first["continuation_token"]
        second = ours.carry_on(token, [result(2, "b")])
        last = ours.carry_on(token, [result(1, "a")])

        assert [call["id"] for call in second["tool_calls"]] == ["call_001"]
        assert last["stdout"] == "['a', 'b']\n"

    def test_the_same_again_is_the_same_and_another_answer_a_409(self, ours: Programs) -> None:
        token = ours.begin(WAITS)["continuation_token"]
        second = ours.carry_on(token, [result(1, "a")])
        other = ours.post({"continuation_token": token, "tool_results": [result(1, "x")]})
        again = ours.carry_on(token, [result(1, "a")])
        last = ours.carry_on(token, [result(2, "b")])

        assert again == second
        assert other.status_code == 409
        assert "has already been recorded with a different payload" in other.json()["error"]
        assert ours.carry_on(token, [result(2, "b")]) == last

    def test_more_calls_than_allowed_end_it(self, ours: Programs) -> None:
        token = ours.begin("for n in range(300): await repeat(value=n)")["continuation_token"]
        answers = [
            ours.post({"continuation_token": token, "tool_results": [result(number)]})
            for number in range(1, 201)
        ]

        assert [answer.status_code for answer in answers] == [200] * 199 + [400]
        assert answers[-1].json() == {"error": "Execution exceeded maximum tool calls (200)"}

    def test_what_it_passes_to_tools_is_bounded(self, ours: Programs) -> None:
        code = "await asyncio.gather(*(repeat(value='x' * 4_000_000) for _ in range(3)))"
        answer = ours.post({"code": code, "tools": [{"name": "repeat", "parameters": SCHEMA}]})

        assert (answer.status_code, answer.json()["status"]) == (413, "error")

    def test_results_of_some_megabytes_get_through(self, ours: Programs) -> None:
        token = ours.begin("print(len(await repeat(value=1)))")["continuation_token"]
        answer = ours.carry_on(token, [result(1, "x" * 4_900_000)])

        assert answer["stdout"] == "4900000\n"


SCHEMA = {"type": "object", "properties": {"value": {}}}


class TestCancel:
    ID = "0123456789abcdef-live"

    def test_a_request_that_runs_is_ended_with_its_sandbox(
        self, ours: Programs, service: RunningService
    ) -> None:
        answers: list[Any] = []

        def ask() -> None:
            with service.caller() as caller:
                body = {"code": "import time; time.sleep(60)", "tools": []}
                headers = {"X-LibreChat-Code-Request-ID": self.ID}
                answers.append(programs(caller).post(body, **headers).json())

        asking = threading.Thread(target=ask)
        asking.start()
        cancel = {"request_id": self.ID}
        told = ours.caller.http.post("/exec/programmatic/cancel", json=cancel)
        asking.join()
        service.rest()

        assert (told.status_code, told.json()) == (202, {"status": "cancellation_requested"})
        assert answers[0]["error"] == "Programmatic execution request cancelled"
        after = ours.caller.http.post("/exec/programmatic/cancel", json=cancel)
        assert (after.status_code, after.json()) == (200, {"status": "already_completed"})


class TestForgotten:
    def test_the_token_is_in_no_log_and_not_in_the_store(
        self, ours: Programs, service: RunningService
    ) -> None:
        token = ours.begin(WAITS)["continuation_token"]
        ours.carry_on(token, [result(1)])
        ours.carry_on(token, [result(2)])
        eventually(lambda: "waits for 1 calls" in service.log("executor"))

        assert all(token not in service.log(name) for name in ("api", "executor", "broker"))
