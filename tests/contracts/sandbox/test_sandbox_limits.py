"""Memory, processes, descriptors and space: the kernel's limits, and what becomes of a run."""

import signal
import time
from pathlib import Path

import pytest

from executor.docker_engine import DockerEngine
from executor.messages import Stopped
from executor.sandbox import Program, SandboxRefusedError
from tests.contracts.sandbox.lab import LIMITS, MIB, Lab, run_in
from tests.executor.docker_view import inspect

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

SCORE_OF_SERVICES = int(Path("/proc/self/oom_score_adj").read_text())
"""Of whatever runs on this host unless it was told otherwise."""

BOMBS = {
    "of-forks": """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    "of-forks-in-sessions-of-their-own": """
        import os
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
            except OSError:
                pass
        """,
    "of-threads": """
        import threading, time
        while True:
            try:
                threading.Thread(target=time.sleep, args=(600,)).start()
            except RuntimeError:
                pass
        """,
}


class TestMemory:
    async def test_a_python_program_that_takes_too_much_is_out_of_memory(
        self, lab: Lab
    ) -> None:
        ran = await lab.python("print('so far')\nx = bytearray(10**9)")

        assert (ran.stopped, ran.exit_code) == (Stopped.MEMORY, None)
        assert ran.stdout == "so far\n"

    async def test_so_is_a_script_whose_child_takes_too_much(self, lab: Lab) -> None:
        """Docker's own `OOMKilled` stays false here: PID 1 was not the one."""
        ran = await lab.bash("echo so far\npython3 -S -c 'bytearray(10**9)'")

        assert ran.stopped is Stopped.MEMORY
        assert ran.stdout == "so far\n"

    async def test_a_script_that_copes_with_its_childs_end_has_a_result(self, lab: Lab) -> None:
        ran = await lab.bash("python3 -S -c 'bytearray(10**9)' 2>/dev/null || echo coped")

        assert (ran.stdout, ran.exit_code, ran.stopped) == ("coped\n", 0, None)

    async def test_files_are_kept(self, lab: Lab) -> None:
        ran = await lab.python("open('a', 'w').write('kept')\nx = bytearray(10**9)")

        assert ran.stopped is Stopped.MEMORY
        assert list(ran.files) == ["a"]

    async def test_memory_held_by_files_counts_as_well(self, lab: Lab) -> None:
        """Workspace and /tmp can be filled; what then lacks memory is the program."""
        ran = await lab.python("""
            import os
            for path in "/mnt/data/a", "/tmp/b", "/dev/shm/c":
                try:
                    with open(path, "wb") as file:
                        while True:
                            file.write(bytes(1 << 20))
                except OSError as error:
                    print(path, error.errno)
            while True:
                memory = os.memfd_create("d")
                for _ in range(50):
                    os.write(memory, bytes(1 << 20))
            """)

        assert ran.stdout == "/mnt/data/a 28\n/tmp/b 28\n/dev/shm/c 28\n"
        assert ran.stopped is Stopped.MEMORY

    async def test_a_supervisor_taken_by_the_kernel_is_a_program_out_of_memory(
        self, lab: Lab
    ) -> None:
        """Many small processes, each of them a lesser evil to the kernel than PID 1."""
        ran = await lab.bash(
            """
            echo $(cat /proc/1/oom_score_adj) > /proc/self/oom_score_adj
            echo lost > a.txt
            mkfifo pipe
            for _ in $(seq 40); do
                python3 -I -S -c 'x = bytearray(b"x") * (9 << 20); open("pipe").read()' &
            done 2>/dev/null
            wait
            """,
            inputs={"data.csv": b"1"},
        )

        assert ran.stopped is Stopped.MEMORY
        assert ran.files == {}
        assert ran.leftovers.unchanged == {"data.csv"}

    async def test_what_fits_is_not_disturbed(self, lab: Lab) -> None:
        ran = await lab.python("x = bytearray(b'x') * (200 << 20)\nprint(len(x))")

        assert (ran.stdout, ran.stopped) == (f"{200 << 20}\n", None)


class TestMoreMemory:
    """What `grow` gives. In here nothing else is different: one container, one more limit."""

    TAKES_500_MIB = "x = bytearray(b'x') * (500 << 20)\nprint(len(x))"

    async def test_a_program_gets_what_it_was_given(self, lab: Lab) -> None:
        assert (await lab.python(self.TAKES_500_MIB)).stopped is Stopped.MEMORY

        ran = await lab.grown(700 * MIB).python(self.TAKES_500_MIB)

        assert (ran.stdout, ran.stopped) == (f"{500 << 20}\n", None)

    async def test_and_no_more(self, lab: Lab) -> None:
        ran = await lab.grown(400 * MIB).python(f"open('a', 'w').close()\n{self.TAKES_500_MIB}")

        assert (ran.stopped, ran.signal) == (Stopped.MEMORY, "SIGKILL")
        assert list(ran.files) == ["a"]  # PID 1 was not the one.

    async def test_the_next_sandbox_has_what_all_have(self, lab: Lab) -> None:
        await lab.grown(700 * MIB).python("pass")

        assert (await lab.python(self.TAKES_500_MIB)).stopped is Stopped.MEMORY

    async def test_memory_and_swap_end_at_the_same_figure(
        self, docker_engine: DockerEngine
    ) -> None:
        sandbox = await docker_engine.create()
        await sandbox.grow(700 * MIB)
        host = inspect(sandbox.name)["HostConfig"]
        await sandbox.destroy()

        workspace_bytes = 100 * MIB
        assert host["Memory"] == host["MemorySwap"] == 700 * MIB + workspace_bytes

    async def test_nothing_else_is_loosened(self, docker_engine: DockerEngine) -> None:
        sandbox = await docker_engine.create()
        before = inspect(sandbox.name)["HostConfig"]
        await sandbox.grow(700 * MIB)
        after = inspect(sandbox.name)["HostConfig"]
        await sandbox.destroy()

        changed = {name for name, value in after.items() if before[name] != value}
        assert changed == {"Memory", "MemorySwap"}

    async def test_the_kernel_still_takes_the_program_first(self, lab: Lab) -> None:
        code = "cat /proc/self/oom_score_adj; echo 0 > /proc/1/oom_score_adj"

        plain, grown = await lab.bash(code), await lab.grown(700 * MIB).bash(code)

        assert plain.stdout == grown.stdout == "1000\n"
        assert "Permission denied" in grown.stderr

    async def test_an_engine_that_refuses_leaves_the_limit_and_says_so(
        self, docker_engine: DockerEngine, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Some runtimes cannot change it at all. Docker gives nobody less than 6 MiB."""
        sandbox = await docker_engine.create()
        await sandbox.grow(-99 * MIB)  # 1 MiB with the workspace.
        program = Program(language="bash", source=b"echo fine")
        ran = await run_in(sandbox, program, LIMITS, {})
        await sandbox.destroy()

        assert ran.stdout == "fine\n"
        assert "keeps its memory limit" in caplog.text


class TestProcesses:
    @pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
    async def test_a_bomb_is_contained(self, lab: Lab, bomb: str) -> None:
        started = time.monotonic()

        ran = await lab.limited(wall_time_s=2).python(bomb)

        assert ran.stopped is Stopped.TIME
        assert time.monotonic() - started < 8

    async def test_a_bomb_in_bash_is_contained(self, lab: Lab) -> None:
        ran = await lab.limited(wall_time_s=2).bash("bomb() { bomb | bomb & }; bomb; sleep 600")

        assert ran.stopped is Stopped.TIME

    async def test_no_more_than_so_many_can_be_made(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os, time
            count = 0
            try:
                while count < 100:
                    if os.fork() == 0:
                        time.sleep(600)
                    count += 1
            except BlockingIOError:
                pass
            print(count)
            """)

        assert 40 <= int(ran.stdout) < 50

    async def test_a_daemon_does_not_survive_the_run(self, lab: Lab) -> None:
        """What it would write later is not in the files: it was dead before they were read."""
        ran = await lab.bash(
            "setsid bash -c '(trap \"\" TERM HUP; while :; do date +%N > late; done) &' &\n"
            "until [ -s late ]; do sleep 0.05; done; echo over"
        )

        assert (ran.stdout, ran.exit_code) == ("over\n", 0)
        assert ran.execution.wall_time_ms < 5000


class TestDescriptors:
    async def test_a_program_has_two_thousand_and_no_more(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os
            count = 0
            try:
                while True:
                    os.dup(0)
                    count += 1
            except OSError as error:
                print(error.errno, count)
            """)

        assert ran.stdout == "24 2045\n"

    async def test_it_starts_with_three(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os
            for number in range(2048):
                try:
                    os.fstat(number)
                    print(number)
                except OSError:
                    pass
            """)

        assert ran.stdout.split() == ["0", "1", "2"]


class TestEachProcess:
    async def test_its_limits_cannot_be_raised(self, lab: Lab) -> None:
        ran = await lab.python("""
            import resource
            for name in "RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE":
                limit = getattr(resource, name)
                soft, hard = resource.getrlimit(limit)
                print(name, soft, hard)
                try:
                    resource.setrlimit(limit, (hard, hard + 1))
                except (OSError, ValueError):
                    continue
                print(name, "raised")
            """)

        assert ran.stdout.splitlines() == [
            "RLIMIT_CORE 0 0",
            f"RLIMIT_FSIZE {100 * MIB} {100 * MIB}",
            "RLIMIT_NOFILE 2048 2048",
        ]

    async def test_no_file_is_larger_than_the_workspace_not_even_in_appearance(
        self, lab: Lab
    ) -> None:
        ran = await lab.bash("""
            truncate -s 1T sparse || echo $?
            python3 -c 'open("also", "w").truncate(1 << 40)' 2>&1 | tail -1
            head -c 1 /dev/zero | dd of=last bs=1 seek=1T status=none || echo $?
            stat -c %s sparse also last
            """)

        killed = str(128 + signal.SIGXFSZ)
        too_large = "OSError: [Errno 27] File too large"
        assert ran.stdout.split("\n")[:2] == [killed, too_large]
        assert ran.stdout.splitlines()[-3:] == ["0", "0", "0"]

    async def test_a_crash_leaves_no_picture_of_its_memory(self, lab: Lab) -> None:
        """Where the kernel pipes it to a program of the host, there would be none either."""
        ran = await lab.bash("ulimit -c; bash -c 'kill -SEGV $$' 2>/dev/null; echo $?; ls")

        assert ran.stdout.splitlines()[:2] == ["0", str(128 + signal.SIGSEGV)]
        assert ran.stdout.splitlines()[2:] == ["script.sh"]

    async def test_it_ends_before_the_hosts_services_when_the_host_has_no_memory(
        self, lab: Lab
    ) -> None:
        ran = await lab.bash(
            "cat /proc/1/oom_score_adj /proc/self/oom_score_adj\n"
            "echo -1000 > /proc/self/oom_score_adj || echo refused"
        )

        supervisor, program, answer = ran.stdout.split()
        assert SCORE_OF_SERVICES < int(supervisor) < int(program)
        assert answer == "refused"


class TestSpace:
    async def test_a_full_workspace_is_an_error_inside_and_nothing_more(self, lab: Lab) -> None:
        ran = await lab.bash("head -c 200M /dev/zero > big; echo $?; df --output=size -B1 .")

        assert "No space left on device" in ran.stderr
        assert ran.stdout.split() == ["1", "1B-blocks", str(100 * MIB)]
        assert list(ran.skipped) == ["big"]

    async def test_a_workspace_filled_by_its_inputs_is_refused(self, lab: Lab) -> None:
        """The entry file must fit as well."""
        inputs = {"a": bytes(50 * MIB), "b": bytes(50 * MIB)}

        with pytest.raises(SandboxRefusedError, match="No space left on device"):
            await lab.bash("true", inputs=inputs)

    async def test_entries_run_out_before_memory_does(self, lab: Lab) -> None:
        ran = await lab.limited(wall_time_s=60).python(
            "import os\nn = 0\ntry:\n    while True: open(f'f{n}', 'w').close(); n += 1\n"
            "except OSError as error: print(error.errno, n > 10_000)"
        )

        assert ran.stdout == "28 True\n"
        assert len(ran.files) == 50
        assert ran.leftovers.skipped_count > 1
