"""Traps 29 to 36 and 50 of librechat-contract 8: programs that call tools."""

import httpx
import pytest

from tests.live.programmatic import Programs, programs, result
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker


@pytest.fixture
def ours(caller: Caller) -> Programs:
    return programs(caller)


def test_trap_29_nothing_but_the_token_is_sent_again(
    ours: Programs, service: RunningService
) -> None:
    """Also to an API that has been started since."""
    token = ours.begin("print(await repeat(value=1))")["continuation_token"]
    before = service.child("api")
    service.kill("api")

    def answers() -> bool:
        try:
            return ours.caller.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    eventually(lambda: service.child("api") not in {None, before} and answers())

    assert ours.carry_on(token, [result(1, "kept")])["stdout"] == "kept\n"


@pytest.mark.parametrize(
    ("lang", "code"),
    [("python", "w = await get_weather()"), ("bash", "w=$(get_weather)")],
)
def test_trap_30_tools_keep_their_names_and_functions_have_normal_ones(
    ours: Programs, lang: str, code: str
) -> None:
    answer = ours.run(code, lang)

    assert answer["status"] == "completed"
    assert [call["name"] for calls in ours.rounds for call in calls] == ["get-weather"]


def test_trap_31_the_output_is_complete_and_nothing_else(ours: Programs) -> None:
    answer = ours.run("print('before')\nawait repeat(value=1)\nprint('after')")

    assert (answer["stdout"], answer["stderr"]) == ("before\nafter\n", "")


def test_trap_32_texts_stay_texts(ours: Programs) -> None:
    text = '{"a":1}'
    python = ours.run(f"r = await repeat(value={text!r}); print(type(r).__name__, r)")
    ours.tools = {"repeat": lambda _: text}
    bash = ours.run("repeat", "bash")

    assert python["stdout"] == 'str {"a":1}\n'
    assert bash["stdout"] == r'"{\"a\":1}"'


def test_trap_33_arguments_that_are_none_are_left_out(ours: Programs) -> None:
    ours.run("await repeat(value=None); await repeat()")

    assert [call["input"] for calls in ours.rounds for call in calls] == [{}, {}]


def test_trap_34_an_error_of_a_tool_can_be_caught(ours: Programs) -> None:
    code = """
try:
    await bad_tool()
except ToolExecutionError as error:
    print('caught', error)
print(await repeat(value='on'))
"""
    answer = ours.run(code)

    assert (answer["status"], answer["stdout"]) == (
        "completed",
        "caught upstream exploded\non\n",
    )


def test_trap_35_the_same_again_is_no_second_step(ours: Programs) -> None:
    token = ours.begin("print(await repeat(value=1), await repeat(value=2))")[
        "continuation_token"
    ]
    first = ours.carry_on(token, [result(1, "a")])
    again = ours.carry_on(token, [result(1, "a")])

    assert first == again
    assert ours.carry_on(token, [result(2, "b")])["stdout"] == "a b\n"


@pytest.fixture
def theirs(stranger: Caller) -> Programs:
    return programs(stranger)


def test_trap_36_a_token_is_of_use_to_nobody_else(ours: Programs, theirs: Programs) -> None:
    token = ours.begin("print(await repeat(value=1))")["continuation_token"]
    body = {"continuation_token": token, "tool_results": [result(1)]}
    foreign = theirs.post(body)
    other_user = ours.post(body, **{"User-Id": "somebody-else"})

    assert (foreign.status_code, foreign.json()) == (403, {"error": "Forbidden"})
    assert other_user.status_code == 403
    assert ours.carry_on(token, [result(1)])["stdout"] == "1\n"


@pytest.mark.parametrize("name", ["test", "echo", "printf", "read", "kill", "true", "cd"])
def test_trap_50_a_tool_named_as_a_builtin_has_both_names(ours: Programs, name: str) -> None:
    """The client tells a model the first, the reference the second; the builtin stays."""
    ours.tools = {name: lambda given: given["value"]}
    code = f"""
{name} '{{"value":1}}'
{name}_tool '{{"value":2}}'
cd /tmp && pwd && test -d /mnt/data && true && echo fine
"""
    answer = ours.run(code, "bash")

    assert answer["stdout"] == "12/tmp\nfine\n", answer
