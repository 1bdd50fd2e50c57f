"""Bash programs that call tools, in each engine whose sandboxes hold strangers' programs."""

from typing import Any

import pytest

from executor.calls import ToolResult
from executor.messages import Stopped
from executor.pool import WarmPool
from executor.sandbox import Execution
from sandbox.supervisor.programmatic.channel import Tool
from tests.contracts.sandbox.rounds import RoundsLab, ToolFailedError

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

Calls = list[list[tuple[str, Any]]]


@pytest.fixture
def rounds(pool: WarmPool) -> RoundsLab:
    return RoundsLab(pool)


def answer(_tool: str, given: Any) -> Any:
    if "fail" in given:
        raise ToolFailedError("upstream exploded")
    return given.get("value", {"city": given.get("city"), "temp": 14})


async def shown(
    rounds: RoundsLab, code: str, **more: Any
) -> tuple[str, str, int | None, Calls]:
    ended, seen = await rounds.bash(code, answer, **more)
    return ended.stdout.decode(), ended.stderr.decode(), ended.exit_code, seen


class TestCalls:
    async def test_a_result_is_printed_as_compact_json_without_a_newline(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            w=$(get_weather '{"city": "Lünd"}')
            echo "$w"
            repeat '{"value": "a b"}'; repeat '{"value": [1, null]}'; echo .
        """
        stdout, stderr, status, seen = await shown(rounds, code)

        assert stdout == '{"city":"Lünd","temp":14}\n"a b"[1,null].\n'
        assert (stderr, status) == ("", 0)
        assert seen[0] == [("get-weather", {"city": "Lünd"})]

    async def test_a_number_too_long_for_python_is_printed_as_it_came(
        self, rounds: RoundsLab
    ) -> None:
        """JSON knows no longest number; Python reads 4300 digits at most."""
        digits = "1" * 5000
        async with rounds.started("bash", "repeat '{}'") as (program, _):
            ended = await program.sandbox.answer([ToolResult(number=1, text=digits.encode())])

        assert isinstance(ended, Execution)
        assert (ended.stdout.decode(), ended.stderr, ended.exit_code) == (digits, b"", 0)

    async def test_the_argument_is_an_empty_object_by_default(self, rounds: RoundsLab) -> None:
        _, _, _, seen = await shown(rounds, "get_weather; get_weather ''")

        assert seen == [[("get-weather", {})]]

    async def test_calls_go_through_pipes_functions_and_subshells(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            temp() { get_weather "{\\"city\\":\\"$1\\"}" | jq .temp; }
            (temp Lund) | cat
            repeat '{"value":"x"}' > out.txt
            while read -r line; do echo "<$line>"; done < <(repeat '{"value":1}'; echo)
            cat out.txt; echo
        """
        stdout, stderr, _, _ = await shown(rounds, code)

        assert (stdout, stderr) == ('14\n<1>\n"x"\n', "")

    async def test_jobs_that_wait_at_once_are_one_round(self, rounds: RoundsLab) -> None:
        code = """
            : &
            wait "$!"
            for n in 1 2 3 4 5; do repeat "{\\"value\\":$n}" > "$n.txt" & done
            wait
            cat ?.txt; echo
        """
        stdout, stderr, _, seen = await shown(rounds, code)

        assert (stdout, stderr) == ("12345\n", "")
        assert [sorted(given["value"] for _, given in calls) for calls in seen] == [
            [1, 2, 3, 4, 5]
        ]

    async def test_a_large_result_and_a_large_argument_get_through(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            big=$(head -c 3000000 /dev/zero | tr '\\0' x)
            back=$(repeat "{\\"value\\":\\"$big\\"}")
            echo ${#back}
        """
        stdout, stderr, _, _ = await shown(rounds, code)

        assert (stdout, stderr) == ("3000002\n", "")


class TestOptionsAndTraps:
    async def test_strict_mode_works_with_calls(self, rounds: RoundsLab) -> None:
        code = """
            set -euo pipefail
            IFS=,
            w=$(get_weather '{"city":"Lund"}')
            echo "$w" | jq -r .city
            echo "$-" | grep -q e && echo "still strict"
            false
            echo "never"
        """
        stdout, _, status, _ = await shown(rounds, code)

        assert (stdout, status) == ("Lund\nstill strict\n", 1)

    async def test_the_users_own_traps_keep_working(self, rounds: RoundsLab) -> None:
        code = """
            trap 'echo bye' EXIT
            trap 'echo usr' USR1
            set -E; trap 'echo "err in $LINENO"' ERR
            kill -USR1 $$
            repeat '{"value":1}'; echo
            false
        """
        stdout, _, status, _ = await shown(rounds, code)

        assert (stdout, status) == ("usr\n1\nerr in 6\nbye\n", 1)

    async def test_noclobber_and_positional_parameters_are_left_alone(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            set -C; set -- a b
            repeat '{"value":1}'; repeat '{"value":2}'
            echo " $# $1"; : > new; : > new && echo clobbered
        """
        stdout, stderr, _, _ = await shown(rounds, code)

        assert stdout == "12 2 a\n"
        assert "line 3: new: cannot overwrite existing file" in stderr


class TestEndOfAll:
    @pytest.mark.parametrize(
        "code",
        [
            "repeat '{\"fail\":1}'",
            "x=$(repeat '{\"fail\":1}')",
            "if repeat '{\"fail\":1}'; then echo yes; else echo no; fi",
            "repeat '{\"fail\":1}' || echo no",
            "f() { local y; y=$(repeat '{\"fail\":1}'); echo in f; }; f",
            "(a=$(repeat '{\"fail\":1}'); echo sub)",
            "repeat '{\"fail\":1}' | cat; echo piped",
            "repeat '{\"fail\":1}' & sleep 30",
            "x=$(y=$(repeat '{\"fail\":1}'); echo inner)",
        ],
    )
    async def test_an_error_result_ends_the_program_wherever_it_is_called(
        self, rounds: RoundsLab, code: str
    ) -> None:
        stdout, stderr, status, _ = await shown(rounds, f"{code}\necho after\n")

        assert (stdout, status) == ("", 1)
        assert stderr.splitlines()[0] == "upstream exploded"

    @pytest.mark.parametrize("argument", ["'not json'", "'[1]'", "'\"text\"'", "'{' more"])
    async def test_an_argument_that_is_no_object_ends_it_too(
        self, rounds: RoundsLab, argument: str
    ) -> None:
        code = f"x=$(get_weather {argument})\necho after\n"
        stdout, stderr, status, seen = await shown(rounds, code)

        assert (stdout, status, seen) == ("", 1, [])
        begin = "tool input for get-weather must be a JSON object, got: "
        assert stderr.startswith(begin + argument.strip("'").split("'")[0])

    async def test_the_users_exit_trap_still_runs(self, rounds: RoundsLab) -> None:
        code = "trap 'echo cleaned' EXIT\nx=$(repeat '{\"fail\":1}')\necho after\n"
        stdout, _, status, _ = await shown(rounds, code)

        assert (stdout, status) == ("cleaned\n", 1)

    @pytest.mark.parametrize(
        ("code", "status", "signal"),
        [("exit 7", 7, None), ("kill -TERM $$", None, "SIGTERM"), ("false", 1, None)],
    )
    async def test_the_program_ends_as_the_shell_does(
        self, rounds: RoundsLab, code: str, status: int | None, signal: str | None
    ) -> None:
        ended, _ = await rounds.bash(f"repeat '{{\"value\":1}}'\n{code}\n", answer)

        assert (ended.exit_code, ended.signal) == (status, signal)

    async def test_line_numbers_are_the_users(self, rounds: RoundsLab) -> None:
        _, stderr, status, _ = await shown(rounds, "echo\n\nno_such_command\n")

        assert "/mnt/data/script.sh: line 3: no_such_command: command not found" in stderr
        assert status == 127

    async def test_too_many_calls_end_it(self, rounds: RoundsLab) -> None:
        code = "for n in {1..250}; do repeat '{\"value\":1}' >/dev/null; done; echo done"
        ended, seen = await rounds.bash(code, answer)

        assert (ended.stopped, len(seen)) == (Stopped.CALLS, 200)


class TestNames:
    async def test_a_tool_named_as_a_builtin_has_both_names_and_leaves_the_builtin(
        self, rounds: RoundsLab
    ) -> None:
        tools = [Tool(name) for name in ("echo", "test", "read", "set", "printf")]
        code = """
            set -e
            echo '{"value":1}'; echo_tool '{"value":2}'; test '{"value":3}'; echo
            test -f /mnt/data/script.sh && printf '%s\\n' found
            read -r word <<< "a b"; echo "<$word>"
            printf_tool '{"value":4}'; printf ' { \\n'
        """
        stdout, stderr, status, _ = await shown(rounds, code, tools=tools)

        assert stdout == "123\nfound\n<a b>\n4 { \n"
        assert (stderr, status) == ("", 0)

    async def test_names_are_made_of_letters_digits_and_underscores(
        self, rounds: RoundsLab
    ) -> None:
        tools = [Tool(name) for name in ("2fa check", "a.b", "for", "_ptc_x", "天気", "it's")]
        code = "; ".join(
            f"{name} '{{\"value\":{n}}}'"
            for n, name in enumerate(
                ["_2fa_check", "a_b", "for_tool", "_ptc_x_tool", "tool", "its"]
            )
        )
        stdout, _, _, seen = await shown(rounds, code, tools=tools)

        assert stdout == "012345"
        assert [name for calls in seen for name, _ in calls] == [tool.name for tool in tools]
