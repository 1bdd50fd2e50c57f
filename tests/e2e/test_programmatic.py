"""LibreChat's own clients run programs that call tools, in every generation that can."""

import re
from typing import Any

import pytest

from tests.e2e.client import GENERATIONS, NEWEST, Client, ClientError

pytestmark = pytest.mark.docker

in_python = pytest.mark.parametrize("client", GENERATIONS[1:], ids=str, indirect=True)
"""Since 3.0.50."""

in_bash = pytest.mark.parametrize("client", GENERATIONS[2:], ids=str, indirect=True)

PARSES = (3, 2, 21)
"""Since then what a tool returned as JSON text comes to bash as JSON."""


def program(client: Client, code: str, *, tool: str = "programmatic", **more: Any) -> Any:
    """Run a program with the three tools of `drive.cjs`, as the model asks for it."""
    return client.node.ask(
        "program", tool=tool, options=client.options(), args={"code": code}, **more
    )


def shown(answer: Any) -> str:
    return answer["content"]


def version(client: Client) -> tuple[int, ...]:
    return tuple(map(int, client.generation.version.split(".")))


class TestPython:
    @in_python
    def test_a_tool_is_called_and_its_result_shown(self, client: Client) -> None:
        code = "w = json.loads(await get_weather(city='Lund'))\nprint('it is', w['temp'])"

        assert "it is 14" in shown(program(client, code))

    @in_python
    def test_calls_at_once_and_one_after_the_other(self, client: Client) -> None:
        code = """
one, two = await asyncio.gather(get_weather(city='Lund'), get_weather(city='Ystad'))
three = await get_weather(city='Malmo')
print([json.loads(each)['city'] for each in (one, two, three)])
"""
        assert "['Lund', 'Ystad', 'Malmo']" in shown(program(client, code))

    @in_python
    def test_a_tool_that_fails_can_be_caught(self, client: Client) -> None:
        code = """
try:
    await bad_tool(city='Lund')
except ToolExecutionError as error:
    print('caught', error)
"""
        text = shown(program(client, code))

        assert "caught" in text
        assert "upstream exploded" in text

    @in_python
    def test_files_that_it_leaves_are_registered(self, client: Client) -> None:
        code = "open('out.txt', 'w').write(await get_weather(city='Lund'))"
        artifact = program(client, code)["artifact"]

        assert [file["name"] for file in artifact["files"]] == ["out.txt"]

    @in_python
    def test_a_program_that_fails_is_told_to_the_model(self, client: Client) -> None:
        with pytest.raises(ClientError) as told:
            program(client, "await get_weather(city='Lund')\nraise ValueError('no luck')")

        assert re.search(r"(?i)programmatic execution|exited with code 1", str(told.value))

    @pytest.mark.parametrize("client", [NEWEST], ids=str, indirect=True)
    def test_an_abort_ends_the_program(self, client: Client) -> None:
        with pytest.raises(ClientError):
            program(client, "import time\ntime.sleep(60)", abort_after_ms=1000)


class TestBash:
    @in_bash
    def test_a_tool_is_called_in_a_substitution(self, client: Client) -> None:
        field = ".temp" if version(client) >= PARSES else "fromjson | .temp"
        code = f"""
w=$(get_weather '{{"city":"Lund"}}')
echo "it is $(echo "$w" | jq '{field}')"
"""
        assert "it is 14" in shown(program(client, code, tool="bash_programmatic"))

    @in_bash
    def test_jobs_at_once(self, client: Client) -> None:
        code = """
get_weather '{"city":"Lund"}' > 1 &
get_weather '{"city":"Ystad"}' > 2 &
wait
cat 1 2
"""
        text = shown(program(client, code, tool="bash_programmatic"))

        assert "Lund" in text
        assert "Ystad" in text

    @in_bash
    def test_a_tool_that_fails_ends_it(self, client: Client) -> None:
        code = "x=$(bad_tool '{}'); echo after"
        with pytest.raises(ClientError):
            program(client, code, tool="bash_programmatic")


class TestNames:
    """What the newest client tells a model is what a program finds (trap 50)."""

    @pytest.mark.parametrize(
        "name",
        ["get-weather", "a.b", "2fa check", "for", "test", "echo", "printf", "read", "trap"],
    )
    def test_functions_of_bash(self, newest: Client, name: str) -> None:
        identifier = newest.node.ask("identifier", language="bash", name=name)
        code = f'{identifier} \'{{"city":"Lund"}}\''

        text = shown(program(newest, code, tool="bash_programmatic", rename=name))
        assert "Lund" in text

    @pytest.mark.parametrize("name", ["get-weather", "a.b", "2fa check", "import", "match"])
    def test_functions_of_python(self, newest: Client, name: str) -> None:
        identifier = newest.node.ask("identifier", language="python", name=name)
        code = f"print(await {identifier}(city='Lund'))"

        assert "Lund" in shown(program(newest, code, rename=name))
