"""What every `Sandbox` promises, asked of each engine in turn."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator

import pytest

from executor.messages import Stopped
from executor.sandbox import (
    Program,
    Sandbox,
    SandboxEngine,
    SandboxRefusedError,
    SandboxUnavailableError,
)
from sandbox.supervisor.skips import SkipReason
from tests.contracts.sandbox.lab import (
    LIMITS,
    MIB,
    Ran,
    finish,
    pieces,
    prepare_for,
    run_in,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox(engine: SandboxEngine) -> AsyncGenerator[Sandbox]:
    sandbox = await engine.create()
    yield sandbox
    await sandbox.destroy()


async def bash(
    sandbox: Sandbox, code: str, *args: str, inputs: dict[str, bytes] | None = None
) -> Ran:
    program = Program(language="bash", source=code.encode(), args=args)
    return await run_in(sandbox, program, LIMITS, inputs or {})


async def python(sandbox: Sandbox, code: str, *args: str) -> Ran:
    program = Program(language="py", source=code.encode(), args=args)
    return await run_in(sandbox, program, LIMITS, {})


class TestEngine:
    async def test_a_fresh_sandbox_is_alive(self, sandbox: Sandbox) -> None:
        assert sandbox.alive

    async def test_every_sandbox_has_a_name_of_its_own(self, engine: SandboxEngine) -> None:
        made = await asyncio.gather(engine.create(), engine.create())
        await asyncio.gather(*(sandbox.destroy() for sandbox in made))

        assert made[0].name != made[1].name

    async def test_a_healthy_engine_passes_its_check(self, engine: SandboxEngine) -> None:
        await engine.check()

    async def test_what_is_in_use_is_no_leftover(
        self, engine: SandboxEngine, sandbox: Sandbox
    ) -> None:
        assert await engine.remove_leftovers() == 0

        assert (await bash(sandbox, "echo fine")).stdout == "fine\n"


class TestRunning:
    async def test_a_python_program_runs(self, sandbox: Sandbox) -> None:
        ran = await python(sandbox, "import sys\nprint(6*7)\nprint('e', file=sys.stderr)")

        assert (ran.stdout, ran.stderr, ran.exit_code) == ("42\n", "e\n", 0)

    async def test_a_bash_program_runs(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "echo $((6*7)); echo e >&2; exit 3")

        assert (ran.stdout, ran.stderr, ran.exit_code) == ("42\n", "e\n", 3)
        assert (ran.signal, ran.stopped) == (None, None)

    async def test_python_gets_its_arguments_one_by_one(self, sandbox: Sandbox) -> None:
        ran = await python(sandbox, "import sys; print(sys.argv[1:])", "a b", "$HOME", "", "-c")

        assert ran.stdout == "['a b', '$HOME', '', '-c']\n"

    async def test_bash_gets_its_arguments_one_by_one(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "printf '<%s>' \"$@\"", "a b", "$HOME", "", "`id`", "*", "-x")

        assert ran.stdout == "<a b><$HOME><><`id`><*><-x>"

    async def test_standard_input_is_a_single_newline(self, sandbox: Sandbox) -> None:
        ran = await python(sandbox, "import sys; print(ascii(sys.stdin.read()))")

        assert ran.stdout == "'\\n'\n"

    async def test_the_current_folder_is_the_home_folder(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, '[ "$PWD" = "$HOME" ] && [ "$(pwd -P)" = "$HOME" ] && echo y')

        assert ran.stdout == "y\n"

    async def test_a_program_that_kills_itself_ended_by_a_signal(
        self, sandbox: Sandbox
    ) -> None:
        ran = await bash(sandbox, "kill -TERM $$")

        assert (ran.exit_code, ran.signal, ran.stopped) == (None, "SIGTERM", None)

    async def test_bytes_that_are_no_text_come_out_as_they_are(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, r"printf 'a\377\000\033[1mb'; printf '\376' >&2")

        assert ran.execution.stdout == b"a\xff\x00\x1b[1mb"
        assert ran.execution.stderr == b"\xfe"

    @pytest.mark.parametrize("language", ["py", "bash"])
    async def test_an_empty_program_ends_well(self, sandbox: Sandbox, language: str) -> None:
        ran = await run_in(sandbox, Program(language=language, source=b""), LIMITS, {})

        assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "")

    @pytest.mark.parametrize("language", ["py", "bash"])
    async def test_a_program_that_cannot_be_parsed_is_a_failed_program(
        self, sandbox: Sandbox, language: str
    ) -> None:
        ran = await run_in(sandbox, Program(language=language, source=b"if ("), LIMITS, {})

        assert ran.exit_code not in {0, None}
        assert "yntax" in ran.stderr


class TestLimits:
    async def test_time_ends_the_program_and_its_children(self, sandbox: Sandbox) -> None:
        limits = dataclasses.replace(LIMITS, wall_time_s=1)
        program = Program(language="bash", source=b"echo started; sleep 600 | sleep 600")
        started = time.monotonic()

        ran = await run_in(sandbox, program, limits, {})

        assert (ran.stopped, ran.signal, ran.exit_code) == (Stopped.TIME, "SIGKILL", None)
        assert ran.stdout == "started\n"
        assert 1000 <= ran.execution.wall_time_ms < 4000
        assert time.monotonic() - started < 6

    async def test_signals_that_ask_for_the_end_need_not_be_obeyed_but_time_is(
        self, sandbox: Sandbox
    ) -> None:
        limits = dataclasses.replace(LIMITS, wall_time_s=1)
        program = Program(
            language="bash", source=b"trap '' TERM INT HUP; while :; do sleep 1; done"
        )

        ran = await run_in(sandbox, program, limits, {})

        assert ran.stopped is Stopped.TIME

    async def test_output_up_to_the_limit_is_whole(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2")

        assert ran.execution.stdout == ran.execution.stderr == bytes(65_536)
        assert (ran.stopped, ran.execution.stderr_cut, ran.exit_code) == (None, False, 0)

    async def test_a_byte_more_of_stdout_is_cut_exactly_and_stops_the_program(
        self, sandbox: Sandbox
    ) -> None:
        ran = await bash(sandbox, "yes | head -c 65537; sleep 600")

        assert (ran.stopped, ran.signal, ran.exit_code) == (Stopped.STDOUT, "SIGKILL", None)
        assert ran.execution.stdout == b"y\n" * 32_768

    async def test_output_without_end_is_cut(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "yes")

        assert ran.stopped is Stopped.STDOUT
        assert len(ran.execution.stdout) == 65_536

    async def test_too_much_at_the_very_end_counts_as_well(self, sandbox: Sandbox) -> None:
        """`yes | head -c 1000000` (trap 40): the program may be over before it is read."""
        ran = await bash(sandbox, "yes | head -c 1000000")

        assert ran.stopped is Stopped.STDOUT

    async def test_stderr_is_cut_and_the_program_goes_on(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "yes | head -c 1000000 >&2; echo still here")

        assert ran.execution.stderr == b"y\n" * 32_768
        assert ran.execution.stderr_cut
        assert (ran.stdout, ran.exit_code, ran.stopped) == ("still here\n", 0, None)

    async def test_a_child_in_the_background_does_not_hold_the_answer_back(
        self, sandbox: Sandbox
    ) -> None:
        ran = await bash(sandbox, "sleep 600 & echo done")

        assert (ran.stdout, ran.exit_code, ran.stopped) == ("done\n", 0, None)
        assert ran.execution.wall_time_ms < 5000


class TestInputs:
    async def test_they_are_in_place_under_their_names(self, sandbox: Sandbox) -> None:
        inputs = {"a.csv": b"1", "deep/er/ü b.csv": b"2", "-x": b"3", "empty": b""}

        ran = await bash(sandbox, "cat -- a.csv 'deep/er/ü b.csv' -x empty", inputs=inputs)

        assert (ran.stdout, ran.stderr) == ("123", "")

    async def test_large_ones_come_in_and_go_out_whole(self, sandbox: Sandbox) -> None:
        content = bytes(range(256)) * (40 * MIB // 256)

        ran = await bash(
            sandbox, "mv in.bin out.bin; wc -c < out.bin", inputs={"in.bin": content}
        )

        assert ran.stdout.strip() == str(40 * MIB)
        assert ran.files["out.bin"] == content
        assert ran.leftovers.deleted == {"in.bin"}

    async def test_their_mode_says_which_are_read_only(self, sandbox: Sandbox) -> None:
        await sandbox.prepare(
            Program(language="bash", source=b"stat -c %A fixed data.csv"), LIMITS
        )
        await sandbox.put("fixed", pieces(b"1"), read_only=True)
        await sandbox.put("data.csv", pieces(b"2"))

        ran = await finish(sandbox)

        fixed, data = ran.stdout.splitlines()
        assert fixed == "-r--r--r--"
        assert data.startswith("-rw")
        assert ran.leftovers.unchanged == {"fixed", "data.csv"}

    async def test_more_than_the_workspace_holds_is_refused(self, sandbox: Sandbox) -> None:
        await sandbox.prepare(Program(language="bash", source=b"echo ran"), LIMITS)
        for name in ("a", "b", "c"):
            await sandbox.put(name, pieces(bytes(40 * MIB)))

        with pytest.raises(SandboxRefusedError):
            await sandbox.run()

    async def test_what_the_source_of_an_input_raises_passes_through(
        self, sandbox: Sandbox
    ) -> None:
        async def failing() -> AsyncGenerator[bytes]:
            yield b"x"
            raise LookupError("gone")

        await sandbox.prepare(Program(language="bash", source=b"true"), LIMITS)

        with pytest.raises(LookupError, match="gone"):
            await sandbox.put("a", failing())


class TestOutputs:
    async def test_files_are_told_apart(self, sandbox: Sandbox) -> None:
        ran = await bash(
            sandbox,
            "echo new > d/new; echo more >> changed; rm gone; ln -s /etc/passwd link; cat same",
            inputs={"d/same": b"1", "changed": b"2\n", "gone": b"3", "same": b"4"},
        )

        assert ran.files == {"d/new": b"new\n", "changed": b"2\nmore\n"}
        assert ran.leftovers.unchanged == {"d/same", "same"}
        assert ran.leftovers.deleted == {"gone"}
        assert ran.skipped == {"link": SkipReason.NOT_A_REGULAR_FILE}

    async def test_a_failed_program_leaves_its_files(self, sandbox: Sandbox) -> None:
        ran = await python(sandbox, "open('a.txt', 'w').write('kept')\nraise SystemExit(3)")

        assert (ran.exit_code, ran.files) == (3, {"a.txt": b"kept"})

    async def test_files_of_no_bytes_are_files(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "touch out", inputs={"in": b""})

        assert ran.files == {"out": b""}
        assert ran.leftovers.unchanged == {"in"}

    async def test_of_sixty_the_first_fifty_by_name_are_kept(self, sandbox: Sandbox) -> None:
        ran = await bash(sandbox, "for n in $(seq -w 60); do echo $n > $n; done")

        assert sorted(ran.files) == [f"{n:02}" for n in range(1, 51)]
        assert ran.leftovers.skipped_count == 10
        assert ran.skipped["60"] == SkipReason.TOO_MANY_FILES

    async def test_one_file_over_the_limit_is_skipped_and_the_others_kept(
        self, sandbox: Sandbox
    ) -> None:
        ran = await bash(sandbox, "truncate -s 90M sparse; echo x > small")

        assert ran.files == {"small": b"x\n"}
        assert list(ran.skipped) == ["sparse"]

    async def test_more_in_all_than_a_workspace_holds_is_skipped(
        self, sandbox: Sandbox
    ) -> None:
        """Sparse files take no room: four of 40 MB are easily made, but not all are kept."""
        ran = await bash(sandbox, "for n in 1 2 3 4; do truncate -s 40M $n; done")

        assert list(ran.files) == ["1", "2"]
        assert list(ran.skipped) == ["3", "4"]

    async def test_an_empty_folder_comes_out_as_a_marker_and_goes_in_as_a_folder(
        self, engine: SandboxEngine
    ) -> None:
        first, second = [await engine.create() for _ in range(2)]
        made = await bash(first, "mkdir -p a/b; touch a/c")
        found = await bash(second, "ls -A a a/b; rmdir a/b", inputs=dict(made.files))
        for sandbox in (first, second):
            await sandbox.destroy()

        assert made.files == {"a/c": b"", "a/b/.dirkeep": b""}
        assert found.stdout == "a:\nb\nc\n\na/b:\n"
        assert found.leftovers.unchanged == {"a/c"}
        assert found.leftovers.deleted == {"a/b/.dirkeep"}

    async def test_files_are_kept_by_their_extensions_if_there_are_any(
        self, sandbox: Sandbox
    ) -> None:
        limits = dataclasses.replace(LIMITS, extensions=("csv", "makefile"))
        program = Program(language="bash", source=b"touch a.CSV b.bin Makefile")

        ran = await run_in(sandbox, program, limits, {"same.bin": b"1"})

        assert set(ran.files) == {"a.CSV", "Makefile"}
        assert ran.skipped == {"b.bin": SkipReason.EXTENSION_NOT_KEPT}
        assert ran.leftovers.skip_counts == {SkipReason.EXTENSION_NOT_KEPT: 1}
        assert ran.leftovers.unchanged == {"same.bin"}

    async def test_leftovers_are_not_known_before_the_outputs(self, sandbox: Sandbox) -> None:
        await sandbox.prepare(Program(language="bash", source=b"true"), LIMITS)
        await sandbox.run()

        with pytest.raises(RuntimeError):
            _ = sandbox.leftovers


class TestGrowing:
    @pytest.mark.parametrize("when", ["before", "beside"])
    async def test_a_program_runs_as_ever(self, sandbox: Sandbox, when: str) -> None:
        program = Program(language="bash", source=b"cat a")
        if when == "before":
            await sandbox.grow(600 * MIB)
            await prepare_for(sandbox, program, LIMITS, {"a": b"1"})
        else:
            await asyncio.gather(
                sandbox.grow(600 * MIB), prepare_for(sandbox, program, LIMITS, {"a": b"1"})
            )
        ran = await finish(sandbox)

        assert (ran.stdout, ran.exit_code) == ("1", 0)

    async def test_one_that_is_gone_cannot(self, engine: SandboxEngine) -> None:
        sandbox = await engine.create()
        await sandbox.destroy()

        with pytest.raises(SandboxUnavailableError):
            await sandbox.grow(600 * MIB)


class TestDestroying:
    async def test_it_may_be_repeated(self, engine: SandboxEngine) -> None:
        sandbox = await engine.create()

        await sandbox.destroy()
        await sandbox.destroy()

    async def test_a_destroyed_one_is_dead_and_takes_no_program(
        self, engine: SandboxEngine
    ) -> None:
        sandbox = await engine.create()
        await sandbox.destroy()

        assert not sandbox.alive
        with pytest.raises(SandboxUnavailableError):
            await bash(sandbox, "echo hi")

    async def test_it_may_happen_while_a_program_runs(self, engine: SandboxEngine) -> None:
        sandbox = await engine.create()
        running = asyncio.create_task(bash(sandbox, "sleep 600"))
        await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.wait([running])

        await sandbox.destroy()

        assert not sandbox.alive
