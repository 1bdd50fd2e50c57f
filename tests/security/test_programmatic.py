"""Case 51: programs that call tools, whose clients and whose own code lie."""

import secrets
import threading
from typing import Any

import pytest

from tests.live.programmatic import Programs, programs, result
from tests.live.running_service_caller import Caller

pytestmark = [pytest.mark.docker, pytest.mark.case(51)]

WAITS = "print(await repeat(value=1))"


@pytest.fixture
def ours(attacker: Caller) -> Programs:
    return programs(attacker)


def refused(client: Programs, token: Any, results: Any) -> int:
    body = {"continuation_token": token, "tool_results": results}
    return client.post(body).status_code


def test_forged_tokens_open_nothing(ours: Programs, victim: Caller) -> None:
    theirs = programs(victim)
    token = theirs.begin(WAITS)["continuation_token"]
    forged = [
        secrets.token_urlsafe(32),
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token.swapcase(),
        token.lower(),
    ]
    odd = ["", "*", token + "A", token[:-1], f"{token}\n", [token], {"$ne": ""}, None, 5]

    assert {refused(ours, each, [result(1)]) for each in forged} == {404}
    assert {refused(ours, each, [result(1)]) for each in odd} == {400}
    assert theirs.carry_on(token, [result(1, "mine")])["stdout"] == "mine\n"


def test_a_foreign_token_is_forbidden_and_changes_nothing(
    ours: Programs, victim: Caller
) -> None:
    theirs = programs(victim)
    token = theirs.begin(WAITS)["continuation_token"]

    assert refused(ours, token, [result(1, "stolen")]) == 403
    assert theirs.carry_on(token, [result(1, "mine")])["stdout"] == "mine\n"
    assert refused(ours, token, [result(1, "mine")]) == 403


def test_a_replayed_round_is_no_second_step(ours: Programs) -> None:
    code = "for n in range(3): print(await repeat(value=n))"
    token = ours.begin(code)["continuation_token"]
    second = ours.carry_on(token, [result(1, "a")])

    assert all(ours.carry_on(token, [result(1, "a")]) == second for _ in range(5))
    assert refused(ours, token, [result(1, "b")]) == 409
    ours.carry_on(token, [result(2, "b")])
    assert ours.carry_on(token, [result(3, "c")])["stdout"] == "a\nb\nc\n"


def test_many_at_once_are_one_step(ours: Programs) -> None:
    token = ours.begin("print(await repeat(value=1), await repeat(value=2))")[
        "continuation_token"
    ]
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(refused(ours, token, [result(1, "a")]))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    assert ours.carry_on(token, [result(2, "b")])["stdout"] == "a b\n"


@pytest.mark.parametrize(
    "call_id",
    [
        *("call_002", "call_000", "call_999999"),
        *("call_0001", "call_\u0660\u0660\u0661", "call_\uff10\uff10\uff11"),
    ],
)
def test_a_result_for_a_call_that_was_not_made_is_refused(ours: Programs, call_id: str) -> None:
    token = ours.begin(WAITS)["continuation_token"]

    assert refused(ours, token, [{"call_id": call_id, "result": 1}]) == 400
    assert ours.carry_on(token, [result(1)])["stdout"] == "1\n"


def test_two_spellings_of_one_call_are_not_two_answers(ours: Programs) -> None:
    token = ours.begin(WAITS)["continuation_token"]
    twice = [result(1, "a"), {"call_id": "call_0001", "result": "b"}]

    assert refused(ours, token, twice) == 400
    assert ours.carry_on(token, [result(1)])["stdout"] == "1\n"


FORGES = """
import glob, os, struct
for number in range(3, 12):
    try:
        name = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if "calls" in name:
        payload = b"delete_everything\\0{}"
        os.write(number, struct.pack("!BI", 1, len(payload)) + payload)
await asyncio.sleep(60)
"""


def test_a_program_that_forges_a_call_of_another_tool_is_ended(ours: Programs) -> None:
    answer = ours.run(FORGES)

    assert (answer["status"], answer["error"]) == (
        "error",
        "Sandbox requested an unregistered tool: delete_everything",
    )


@pytest.mark.parametrize(
    "message",
    [
        'struct.pack("!BI", 1, 2**32 - 1)',
        'struct.pack("!BI", 1, 9) + b"repeat\\0[]"',
        'struct.pack("!BI", 9, 0) * 1000',
        'struct.pack("!BI", 2, 8) + struct.pack("!II", 0, 0)',
        "os.urandom(1_000_000)",
        'struct.pack("!BI", 1, 0) * 10_000',
    ],
    ids=str,
)
def test_a_program_that_writes_nonsense_hurts_itself_alone(
    ours: Programs, message: str
) -> None:
    code = FORGES.replace('struct.pack("!BI", 1, len(payload)) + payload', message).replace(
        "sleep(60)", "sleep(1)"
    )
    answer = ours.post({"code": code, "tools": [{"name": "repeat"}]})

    assert answer.status_code < 500 or answer.status_code == 502, answer.text


def test_ten_thousand_calls_are_not_made(ours: Programs) -> None:
    code = "await asyncio.gather(*(repeat() for _ in range(10_000)))"
    answer = ours.post({"code": code, "tools": [{"name": "repeat"}]})

    assert answer.status_code == 400


def test_rounds_without_end_end(ours: Programs) -> None:
    token = ours.begin("while True: await repeat(value=1)")["continuation_token"]
    statuses: list[int] = []
    for number in range(1, 300):
        statuses.append(refused(ours, token, [result(number)]))
        if statuses[-1] != 200:
            break

    assert statuses == [200] * 199 + [400]
    assert refused(ours, token, [result(201)]) == 400


def test_the_supervisors_own_descriptors_stay_out_of_reach(ours: Programs) -> None:
    code = """
seen = {}
for number in os.listdir("/proc/self/fd"):
    try:
        seen[number] = os.readlink(f"/proc/self/fd/{number}").split(":")[0]
    except OSError:
        pass
try:
    os.listdir("/proc/1/fd")
except PermissionError:
    print("kept out")
print(sorted(set(seen.values()) - {"pipe", "anon_inode"}), os.listdir("/run/build"))
"""
    answer = ours.run(code)

    assert answer["stdout"].splitlines()[0] == "kept out"
    assert "socket" not in answer["stdout"]
    assert answer["stdout"].splitlines()[1].endswith(" []")
