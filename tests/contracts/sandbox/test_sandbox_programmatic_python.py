"""Python programs that call tools, in each engine whose sandboxes hold strangers' programs."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from executor.calls import CallsPending
from executor.messages import Stopped
from executor.pool import WarmPool
from executor.sandbox import Execution, SandboxUnavailableError
from sandbox.supervisor.programmatic.channel import MAX_CALLS, Tool
from tests.contracts.sandbox.lab import LIMITS, Lab
from tests.contracts.sandbox.rounds import RoundsLab, ToolFailedError, repeat, result
from tests.executor.memory_stream import read_output

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


@pytest.fixture
def rounds(pool: WarmPool) -> RoundsLab:
    return RoundsLab(pool)


def weather(tool: str, given: Any) -> Any:
    if tool == "repeat":
        return given["value"]
    return {"city": given["city"], "temp": 14}


class TestCalls:
    async def test_a_result_is_the_value_of_its_json(self, rounds: RoundsLab) -> None:
        code = """
            w = await get_weather(city='Lund')
            print(w['temp'] + 1, type(w).__name__)
            print(type(await repeat(value='{"a":1}')).__name__, await repeat(value=[None, 1.5]))
        """
        ended, seen = await rounds.python(code, weather)

        assert ended.stdout == b"15 dict\nstr [None, 1.5]\n"
        assert (ended.exit_code, ended.stderr) == (0, b"")
        assert seen[0] == [("get-weather", {"city": "Lund"})]

    async def test_arguments_that_are_none_are_left_out(self, rounds: RoundsLab) -> None:
        code = "await get_weather('Lund', None); await get_weather(unit='K', city='Ystad')"
        _, seen = await rounds.python(code, weather)

        assert seen == [
            [("get-weather", {"city": "Lund"})],
            [("get-weather", {"city": "Ystad", "unit": "K"})],
        ]

    async def test_calls_that_wait_at_once_are_one_round_in_the_order_of_their_start(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            results = await asyncio.gather(*(repeat(value=n) for n in range(100)))
            print(results == list(range(100)))
        """
        ended, seen = await rounds.python(code)

        assert ended.stdout == b"True\n"
        assert [[given["value"] for _, given in calls] for calls in seen] == [list(range(100))]

    async def test_some_answers_let_some_tasks_go_on_and_the_rest_is_asked_for_again(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            async def chain(n):
                return await repeat(value=await repeat(value=n))
            print(await asyncio.gather(chain(1), chain(2)))
        """
        async with rounds.started("py", code) as (driver, outcome):
            assert isinstance(outcome, CallsPending)
            driver.note(outcome)
            after = await driver.sandbox.answer([result(1, 1)])
            ended = await driver.to_the_end(after, repeat)

        assert [[given["value"] for _, given in calls] for calls in driver.seen] == [
            [1, 2],
            [2, 1],
            [2],
        ]
        assert ended.stdout == b"[1, 2]\n"

    async def test_an_error_can_be_caught_and_the_program_goes_on(
        self, rounds: RoundsLab
    ) -> None:
        def fails(_tool: str, _given: Any) -> Any:
            raise ToolFailedError("upstream exploded")

        code = """
            try:
                await repeat(value=1)
            except ToolExecutionError as error:
                print("caught", error)
        """
        ended, _ = await rounds.python(code, fails)

        assert (ended.stdout, ended.exit_code) == (b"caught upstream exploded\n", 0)

    async def test_an_error_that_is_not_caught_shows_the_users_own_lines(
        self, rounds: RoundsLab
    ) -> None:
        def fails(_tool: str, _given: Any) -> Any:
            raise ToolFailedError("no luck")

        ended, _ = await rounds.python("x = 1\n\nawait repeat(value=1)\n", fails)

        assert ended.exit_code == 1
        text = ended.stderr.decode()
        assert text.splitlines()[:2] == [
            "Traceback (most recent call last):",
            '  File "/mnt/data/main.py", line 3, in <module>',
        ]
        assert text.splitlines()[-1] == "ToolExecutionError: no luck"

    async def test_a_tool_without_properties_takes_no_arguments(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            print(await now())
            try:
                await now(zone="CET")
            except TypeError as error:
                print(error)
        """
        ended, seen = await rounds.python(
            code, lambda _tool, _given: "noon", tools=[Tool("now")]
        )

        assert seen == [[("now", {})]]
        assert ended.stdout == b"noon\nnow() got an unexpected keyword argument 'zone'\n"

    async def test_properties_that_are_no_identifiers_are_given_as_keywords(
        self, rounds: RoundsLab
    ) -> None:
        tool = Tool("send", ("from", "to-whom", "text"), ("from",))
        code = "await send(**{'from': 'a', 'to-whom': 'b'}, text=None)"
        _, seen = await rounds.python(code, lambda _tool, _given: None, tools=[tool])

        assert seen == [[("send", {"from": "a", "to-whom": "b"})]]

    @pytest.mark.parametrize("names", [("__debug__",), ("\ufb01", "fi"), ("_ptc_call",)])
    async def test_names_that_python_takes_for_no_parameters_are_given_as_keywords(
        self, rounds: RoundsLab, names: tuple[str, ...]
    ) -> None:
        tool = Tool("send", names)
        code = f"await send(**{{{names[0]!r}: 'a'}})"
        ended, seen = await rounds.python(code, lambda _tool, _given: None, tools=[tool])

        assert (ended.exit_code, ended.stderr) == (0, b"")
        assert seen == [[("send", {names[0]: "a"})]]

    async def test_a_tool_named_as_a_constant_does_not_keep_the_program_from_starting(
        self, rounds: RoundsLab
    ) -> None:
        _, seen = await rounds.python(
            "await __debug___tool()", lambda _tool, _given: None, tools=[Tool("__debug__")]
        )

        assert seen == [[("__debug__", {})]]

    async def test_an_argument_that_json_cannot_carry_is_the_programs_mistake(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            for bad in (object(), float("nan"), "\\ud800"):
                try:
                    await repeat(value=bad)
                except (TypeError, ValueError) as error:
                    print(type(error).__name__)
        """
        ended, seen = await rounds.python(code)

        assert (ended.stdout.split(), seen) == (
            [b"TypeError", b"ValueError", b"UnicodeEncodeError"],
            [],
        )

    async def test_more_calls_than_a_program_may_make_end_it(self, rounds: RoundsLab) -> None:
        code = "await asyncio.gather(*(repeat(value=n) for n in range(10_000)))"
        ended, seen = await rounds.python(code)

        assert (ended.stopped, ended.signal, seen) == (Stopped.CALLS, "SIGKILL", [])

    async def test_as_many_as_it_may_make_are_made(self, rounds: RoundsLab) -> None:
        code = (
            f"print(len(await asyncio.gather(*(repeat(value=n) for n in range({MAX_CALLS})))))"
        )
        ended, _ = await rounds.python(code)

        assert ended.stdout == b"200\n"

    async def test_inputs_and_results_of_some_megabytes_get_through(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            back = await asyncio.gather(*(repeat(value=c * 2_000_000) for c in "abcd"))
            print([(len(text), text[0]) for text in back])
        """
        ended, _ = await rounds.python(code)

        assert eval(ended.stdout) == [(2_000_000, c) for c in "abcd"]  # noqa: S307

    async def test_inputs_that_are_too_large_together_end_it(self, rounds: RoundsLab) -> None:
        code = "await asyncio.gather(*(repeat(value='x' * 3_000_000) for _ in range(4)))"
        ended, _ = await rounds.python(code)

        assert ended.stopped is Stopped.CALL_BYTES

    async def test_a_call_from_a_thread_with_a_loop_of_its_own_is_answered_there(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            import threading
            async def call(n):
                return await repeat(value=n)
            def work():
                sys.stdout.write(asyncio.run(call("thread")) + "\\n")
            thread = threading.Thread(target=work)
            thread.start()
            sys.stdout.write(await call("main") + "\\n")
            await asyncio.to_thread(thread.join)
        """
        ended, _ = await rounds.python(code)

        assert sorted(ended.stdout.split()) == [b"main", b"thread"]

    async def test_a_call_that_was_given_up_does_not_disturb_the_next(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            try:
                await asyncio.wait_for(repeat(value=1), 0)
            except TimeoutError:
                print("given up")
            print(await repeat(value=2))
        """
        ended, _ = await rounds.python(code)

        assert ended.stdout.split(b"\n")[:2] in ([b"given up", b"2"], [b"2", b""])


class TestAsAPlainFile:
    """What runs in `/exec` runs here, whether or not it awaits at its top level."""

    @pytest.mark.parametrize("then", ["", "await repeat(value=1)\n"])
    async def test_strings_of_several_lines_keep_their_content(
        self, rounds: RoundsLab, then: str
    ) -> None:
        code = 'print("""a\nb\n  c""")\n' + then
        ended, _ = await rounds.python(code)

        assert ended.stdout == b"a\nb\n  c\n"

    async def test_future_imports_globals_classes_and_names_are_as_in_a_file(
        self, rounds: RoundsLab
    ) -> None:
        code = '''
            """A docstring."""
            from __future__ import annotations
            import sys
            total = 0
            class Thing:
                other: Unknown = 1
                def grow(self):
                    global total
                    total += self.other
            Thing().grow()
            await repeat(value=1)
            print(total, __name__, __doc__, __file__, sys.argv, Thing.__module__)
            print(sys.modules["__main__"].total, "total" in globals())
        '''
        ended, _ = await rounds.python(code)

        assert ended.stderr == b""
        assert ended.stdout.decode().splitlines() == [
            "1 __main__ A docstring. /mnt/data/main.py ['/mnt/data/main.py'] __main__",
            "1 True",
        ]

    async def test_the_names_of_the_contract_need_no_import(self, rounds: RoundsLab) -> None:
        code = """
            def f(a: Optional[Dict[str, Any]], b: Union[List[int], None]) -> None: ...
            print(json.dumps(1), sys.argv[0], os.getcwd(), asyncio.__name__)
            print(issubclass(ToolExecutionError, Exception))
        """
        ended, _ = await rounds.python(code)

        assert ended.stdout == b"1 /mnt/data/main.py /mnt/data asyncio\nTrue\n"

    async def test_a_program_that_awaits_nowhere_may_start_a_loop_itself(
        self, rounds: RoundsLab
    ) -> None:
        code = """
            async def main():
                print(await repeat(value="inside"))
            if __name__ == "__main__":
                asyncio.run(main())
                asyncio.run(main())
        """
        ended, seen = await rounds.python(code)

        assert (ended.stdout, len(seen)) == (b"inside\ninside\n", 2)

    async def test_one_that_does_is_told_that_a_loop_runs_already(
        self, rounds: RoundsLab
    ) -> None:
        code = "await repeat(value=1)\nasyncio.run(repeat(value=2))\n"
        ended, _ = await rounds.python(code)

        assert ended.exit_code == 1
        assert b"asyncio.run() cannot be called from a running event loop" in ended.stderr
        assert b'File "/mnt/data/main.py", line 2' in ended.stderr

    async def test_a_syntax_error_names_the_users_line(self, rounds: RoundsLab) -> None:
        ended, _ = await rounds.python("x = 1\nfor in y:\n")

        assert ended.exit_code == 1
        assert ended.stderr.decode().startswith('  File "/mnt/data/main.py", line 2\n')

    @pytest.mark.parametrize(
        ("end", "code"), [("sys.exit(7)", 7), ("sys.exit('why')", 1), ("os._exit(5)", 5)]
    )
    async def test_it_ends_with_its_own_exit_code(
        self, rounds: RoundsLab, end: str, code: int
    ) -> None:
        ended, _ = await rounds.python(f"await repeat(value=1)\n{end}\n")

        assert ended.exit_code == code

    async def test_charts_are_shown_as_in_plain_runs(self, rounds: RoundsLab) -> None:
        code = """
            import matplotlib.pyplot as plt
            plt.plot(await repeat(value=[1, 2, 3]))
            plt.show()
        """
        async with rounds.started("py", code) as (driver, outcome):
            ended = await driver.to_the_end(outcome, repeat)
            files = dict([await read_output(each) async for each in driver.sandbox.outputs()])

        assert (ended.exit_code, set(files)) == (0, {"plot_1.png"})

    async def test_time_and_random_state_go_on_between_rounds(self, rounds: RoundsLab) -> None:
        code = """
            import random, time
            random.seed(1)
            first, began = random.random(), time.monotonic()
            await repeat(value=first)
            second = random.random()
            random.seed(1)
            print([random.random(), random.random()] == [first, second], os.getpid() > 1)
        """
        ended, seen = await rounds.python(code)

        assert ended.stdout == b"True True\n"
        assert len(seen) == 1

    async def test_what_it_prints_before_a_call_belongs_to_that_round(
        self, rounds: RoundsLab
    ) -> None:
        code = "print('looking')\nw = await get_weather(city='Lund')\nprint(w['temp'])\n"
        async with rounds.started("py", code) as (driver, outcome):
            assert isinstance(outcome, CallsPending)
            partial = outcome.stdout
            ended = await driver.to_the_end(outcome, weather)

        assert (partial, ended.stdout) == (b"looking\n", b"looking\n14\n")

    async def test_a_task_that_is_left_is_cancelled_at_the_end(self, rounds: RoundsLab) -> None:
        code = """
            async def ghost():
                try:
                    await asyncio.sleep(60)
                finally:
                    print("cancelled")
            task = asyncio.create_task(ghost())
            await asyncio.sleep(0)
        """
        ended, _ = await rounds.python(code)

        assert ended.stdout == b"cancelled\n"


class TestLimits:
    async def test_a_program_that_waits_uses_none_of_its_time(self, rounds: RoundsLab) -> None:
        limits = dataclasses.replace(LIMITS, wall_time_s=1.0)
        code = "await repeat(value=1)\nprint('still here')\n"
        async with rounds.started("py", code, limits=limits) as (driver, _):
            await asyncio.sleep(1.5)
            ended = await driver.sandbox.answer([result(1, 1)])

        assert ended.stdout == b"still here\n"

    async def test_one_that_runs_does(self, rounds: RoundsLab) -> None:
        limits = dataclasses.replace(LIMITS, wall_time_s=0.5)
        code = "await repeat(value=1)\nwhile True: pass\n"
        ended, _ = await rounds.python(code, limits=limits)

        assert ended.stopped is Stopped.TIME

    async def test_a_plain_run_has_three_descriptors_and_no_fifo(self, lab: Lab) -> None:
        code = """
            import os
            print(sorted(map(int, os.listdir("/proc/self/fd"))))
            print(os.listdir("/run/build"))
        """
        ran = await lab.python(code)

        assert json.loads(ran.stdout.splitlines()[0]) == [0, 1, 2, 3]  # 3 is the listing.
        assert ran.stdout.splitlines()[1] == "[]"


class TestFreezing:
    async def test_nothing_runs_in_what_is_frozen(self, rounds: RoundsLab) -> None:
        """A thread notes the longest time in which it had no turn."""
        code = """
            import threading, time
            longest, last, over = 0.0, time.monotonic(), False
            def watch():
                global longest, last
                while not over:
                    time.sleep(0.005)
                    now = time.monotonic()
                    longest, last = max(longest, now - last), now
            thread = threading.Thread(target=watch)
            thread.start()
            await repeat(value=1)
            over = True
            thread.join()
            print(longest > 1.0)
        """
        async with rounds.started("py", code) as (driver, _):
            await driver.sandbox.freeze()
            await driver.sandbox.freeze()
            await asyncio.sleep(1.2)
            await driver.sandbox.thaw()
            await driver.sandbox.thaw()
            ended = await driver.sandbox.answer([result(1, 1)])

        assert isinstance(ended, Execution)
        assert (ended.stdout, ended.stderr) == (b"True\n", b"")

    async def test_what_is_frozen_can_be_destroyed(self, rounds: RoundsLab) -> None:
        async with rounds.started("bash", "repeat '{\"value\":1}'") as (driver, _):
            await driver.sandbox.freeze()
            await driver.sandbox.destroy()

            with pytest.raises(SandboxUnavailableError):
                await driver.sandbox.thaw()
