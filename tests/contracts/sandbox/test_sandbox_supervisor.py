"""The supervisor shares a sandbox with its enemy (attack-cases.md, cases 14, 15 and 23)."""

import pytest

from executor.messages import Stopped
from sandbox.supervisor.frames import Kind, encode, encode_json
from tests.contracts.sandbox.lab import Lab
from tests.executor.memory_stream import ended, output, summary

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


class TestSignals:
    async def test_no_signal_reaches_it(self, lab: Lab) -> None:
        ran = await lab.python(
            "import os, signal\n"
            "for number in sorted(signal.valid_signals()):\n"
            "    os.kill(1, number)\n"
            "print('still here')"
        )

        assert (ran.stdout, ran.exit_code, ran.stopped) == ("still here\n", 0, None)

    async def test_killing_everybody_spares_it(self, lab: Lab) -> None:
        ran = await lab.python(
            "import os, signal\nopen('a', 'w').write('kept')\n"
            "if os.fork() == 0: os.kill(-1, signal.SIGKILL)\nsignal.pause()"
        )

        assert (ran.signal, ran.stopped) == ("SIGKILL", None)
        assert ran.files == {"a": b"kept"}

    async def test_a_storm_of_dying_children_does_not_confuse_it(self, lab: Lab) -> None:
        ran = await lab.bash(
            "for n in $(seq 300); do (exit 5) & [ $((n % 30)) = 0 ] && wait; done\n"
            "wait; echo done; exit 3"
        )

        assert (ran.stdout, ran.exit_code) == ("done\n", 3)

    async def test_orphans_are_not_mistaken_for_the_program(self, lab: Lab) -> None:
        ran = await lab.bash("(setsid sh -c 'sleep 0.1; exit 9' &) ; sleep 0.5; exit 4")

        assert ran.exit_code == 4

    async def test_a_program_that_stops_itself_is_over_its_time(self, lab: Lab) -> None:
        ran = await lab.limited(wall_time_s=1).bash("kill -STOP $$")

        assert ran.stopped is Stopped.TIME


class TestDescriptors:
    async def test_closing_them_all_is_a_programs_own_affair(self, lab: Lab) -> None:
        ran = await lab.python(
            "import os, time\nos.closerange(0, 256)\n"
            "open('a', 'w').write('kept')\ntime.sleep(0.2)\nos._exit(7)"
        )

        assert (ran.exit_code, ran.files) == (7, {"a": b"kept"})

    async def test_without_output_the_time_limit_still_holds(self, lab: Lab) -> None:
        ran = await lab.limited(wall_time_s=1).bash("exec >&- 2>&- <&-; sleep 600")

        assert ran.stopped is Stopped.TIME

    async def test_its_own_cannot_be_opened(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os
            for path in "fd/0", "fd/1", "fd/2", "mem", "environ", "maps", "cwd", "root/x":
                for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
                    try:
                        os.open(f"/proc/1/{path}", flags)
                        print("opened", path)
                    except OSError:
                        pass
            try:
                print(os.listdir("/proc/1/fd"))
            except PermissionError:
                print("closed")
            """)

        assert ran.stdout == "closed\n"

    async def test_its_memory_cannot_be_reached(self, lab: Lab) -> None:
        ran = await lab.python(
            "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "print(libc.ptrace(16, 1, 0, 0), ctypes.get_errno())\n"
            "buffer = ctypes.create_string_buffer(8)\n"
            "vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)\n"
            "print(libc.process_vm_readv(1, vector, 1, vector, 1, 0), ctypes.get_errno())\n"
            "print(libc.syscall(438, libc.syscall(434, 1, 0), 1, 0))"  # pidfd_getfd
        )

        first, second, third = ran.stdout.splitlines()
        assert first in {"-1 1", "-1 38"}
        assert second in {"-1 1", "-1 38"}
        assert third == "-1"

    async def test_its_settings_cannot_be_changed(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os
            for name in "oom_score_adj", "comm", "timerslack_ns", "coredump_filter":
                try:
                    os.write(os.open(f"/proc/1/{name}", os.O_WRONLY), b"1")
                    print(name)
                except OSError:
                    pass
            """)

        assert (ran.stdout, ran.exit_code) == ("", 0)

    async def test_neither_its_limits_nor_its_turn_on_the_processor_can_be_changed(
        self, lab: Lab
    ) -> None:
        """The kernel would allow it among processes of one uid."""
        ran = await lab.python("""
            import os, resource
            open("a", "w").write("x")
            attempts = {
                "limits": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1)),
                "scheduler": lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
                "priority": lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
                "its user": lambda: os.setpriority(os.PRIO_USER, 0, 19),
            }
            for name, attempt in attempts.items():
                try:
                    attempt()
                except PermissionError:
                    print("refused", name)
            os.setpriority(os.PRIO_PROCESS, 0, 5)
            resource.prlimit(0, resource.RLIMIT_NOFILE, (100, 100))
            """)

        assert ran.stdout.split("\n") == [
            "refused limits",
            "refused scheduler",
            "refused priority",
            "refused its user",
            "",
        ]
        assert (ran.exit_code, set(ran.files)) == (0, {"a"})


class TestForgery:
    async def test_frames_on_standard_output_are_text(self, lab: Lab) -> None:
        forged = (
            ended(exit_code=99)
            + output("../../etc/passwd", 4)
            + encode(Kind.DATA, b"evil")
            + summary(skipped_count=5)
        )
        ran = await lab.python(f"import os\nos.write(1, {forged!r})\nos.write(2, {forged!r})")

        assert ran.execution.stdout == ran.execution.stderr == forged
        assert (ran.exit_code, ran.files) == (0, {})
        assert ran.leftovers.skipped_count == 0

    async def test_no_descriptor_leads_to_the_executor(self, lab: Lab) -> None:
        forged = encode_json(Kind.REFUSED, {"reason": "forged"})
        ran = await lab.python(
            "import os\nfor number in range(3, 4096):\n"
            f"    try: os.write(number, {forged!r}); print(number)\n"
            "    except OSError: pass\n"
            "print('none')"
        )

        assert ran.stdout == "none\n"

    async def test_reading_standard_input_takes_nothing_from_it(self, lab: Lab) -> None:
        ran = await lab.bash("cat > got; cat >> got; wc -c < got", inputs={"a": b"1"})

        assert ran.stdout == "1\n"
        assert ran.leftovers.unchanged == {"a"}


class TestResidue:
    async def test_nothing_of_one_run_is_found_by_the_next(self, lab: Lab) -> None:
        await lab.bash(
            "echo trace | tee /tmp/t /dev/shm/t /mnt/data/t; mkdir -p ~/.config; "
            "echo 'echo trace' > ~/.bashrc; (sleep 600 &)"
        )
        ran = await lab.bash(
            "ls -A /tmp /dev/shm /mnt/data; ls /proc | grep -c '^[0-9]'; cat ~/.bashrc 2>&1"
        )

        assert "trace" not in ran.stdout
        assert "No such file or directory" in ran.stdout
        assert "/tmp/t" not in ran.stdout
