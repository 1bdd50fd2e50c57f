"""How Python programs end: exit codes, tracebacks, and what is done for them on the way out."""

import pytest

from tests.contracts.sandbox.lab import Lab

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

WAYS_OF_LEAVING = {
    "sys.exit()": 0,
    "sys.exit(None)": 0,
    "sys.exit(3)": 3,
    "sys.exit(True)": 1,
    "sys.exit(256 + 7)": 7,
    "sys.exit(-1)": 255,
    "sys.exit('some words')": 1,
    "sys.exit([1, 2])": 1,
    "raise SystemExit(4)": 4,
    "exit(5)": 5,
    "os._exit(6)": 6,
}


class TestEnds:
    async def test_every_way_of_leaving_has_its_code(self, lab: Lab) -> None:
        """In forks of one program: each comes to its end as the program itself does."""
        ran = await lab.python(f"""
            import os, sys
            for statement in {list(WAYS_OF_LEAVING)!r}:
                child = os.fork()
                if child == 0:
                    exec(statement)
                print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            """)

        assert ran.stdout.split() == [str(code) for code in WAYS_OF_LEAVING.values()]
        assert ran.stderr == "some words\n[1, 2]\n"

    async def test_an_exception_shows_the_programs_own_frames_alone(self, lab: Lab) -> None:
        ran = await lab.python("def f():\n    return 1 / 0\n\nf()")

        assert ran.exit_code == 1
        assert ran.stderr.splitlines() == [
            "Traceback (most recent call last):",
            '  File "/mnt/data/main.py", line 4, in <module>',
            "    f()",
            "    ~^^",
            '  File "/mnt/data/main.py", line 2, in f',
            "    return 1 / 0",
            "           ~~^~~",
            "ZeroDivisionError: division by zero",
        ]

    async def test_a_syntax_error_shows_its_line(self, lab: Lab) -> None:
        ran = await lab.python("x = 1\nif x\n    print(x)")

        assert ran.exit_code == 1
        assert ran.stderr.startswith('  File "/mnt/data/main.py", line 2\n    if x\n')
        assert ran.stderr.endswith("SyntaxError: expected ':'\n")

    async def test_a_source_that_is_no_text_is_a_syntax_error(self, lab: Lab) -> None:
        ran = await lab.python("print('a\0b')")

        assert ran.exit_code == 1
        assert "SyntaxError: source code" in ran.stderr

    async def test_exit_handlers_run(self, lab: Lab) -> None:
        ran = await lab.python(
            "import atexit\n@atexit.register\ndef bye(): print('bye')\nraise ValueError(1)"
        )

        assert (ran.stdout, ran.exit_code) == ("bye\n", 1)

    async def test_threads_are_waited_for_and_daemons_are_not(self, lab: Lab) -> None:
        ran = await lab.python("""
            import threading, time
            def work():
                time.sleep(0.3)
                print("worked")
            threading.Thread(target=work).start()
            threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
            print("main is over")
            """)

        assert ran.stdout == "main is over\nworked\n"
        assert (ran.exit_code, ran.stopped) == (0, None)

    async def test_executors_finish_what_they_were_given(self, lab: Lab) -> None:
        ran = await lab.python("""
            from concurrent.futures import ThreadPoolExecutor
            import time
            pool = ThreadPoolExecutor(1)
            for number in range(3):
                pool.submit(lambda: (time.sleep(0.1), print("done")))
            """)

        assert ran.stdout == "done\n" * 3

    async def test_a_hook_for_exceptions_is_called(self, lab: Lab) -> None:
        ran = await lab.python("import sys\nsys.excepthook = lambda *a: print(a[0])\n1 / 0")

        assert (ran.stdout, ran.stderr) == ("<class 'ZeroDivisionError'>\n", "")

    async def test_a_hook_that_fails_does_not_hide_the_exception(self, lab: Lab) -> None:
        ran = await lab.python("import sys\nsys.excepthook = None\n{}['lost']")

        assert ran.exit_code == 1
        assert "KeyError: 'lost'" in ran.stderr

    async def test_an_exception_whose_text_fails_is_still_an_exception(self, lab: Lab) -> None:
        ran = await lab.python(
            "import sys\nclass Odd:\n    def __str__(self): raise ValueError\nsys.exit(Odd())"
        )

        assert (ran.exit_code, ran.stderr) == (1, "")

    async def test_deep_recursion_is_an_exception(self, lab: Lab) -> None:
        ran = await lab.python("def f(): f()\nf()")

        assert ran.exit_code == 1
        assert "RecursionError" in ran.stderr


class TestWhatIsLeftOpen:
    """Programs often do not close what they write; Python does it for them at its end."""

    async def test_a_file_that_is_never_closed_is_whole(self, lab: Lab) -> None:
        ran = await lab.python("f = open('a.txt', 'w')\nf.write('unflushed')")

        assert ran.files == {"a.txt": b"unflushed"}

    async def test_also_when_the_program_fails(self, lab: Lab) -> None:
        ran = await lab.python("f = open('a.txt', 'w')\nf.write('unflushed')\n1 / 0")

        assert ran.files == {"a.txt": b"unflushed"}

    async def test_also_in_a_module_or_a_closure_or_a_cycle(self, lab: Lab) -> None:
        ran = await lab.python(
            """
            import helper
            class Log:
                def __init__(self):
                    self.me, self.file = self, open("b.txt", "w")
                    self.file.write("cycle")
            def make():
                file = open("c.txt", "wb", buffering=100_000)
                return lambda: file.write(b"closure")
            Log()
            write = make()
            write()
            """,
            inputs={"helper.py": b"f = open('a.txt', 'w')\nf.write('module')"},
        )

        assert ran.files == {"a.txt": b"module", "b.txt": b"cycle", "c.txt": b"closure"}

    async def test_an_archive_that_is_never_closed_is_readable(self, lab: Lab) -> None:
        ran = await lab.python(
            "import zipfile, gzip\n"
            "z = zipfile.ZipFile('a.zip', 'w'); z.writestr('x', 'y')\n"
            "g = gzip.open('a.gz', 'wb'); g.write(b'z')"
        )
        check = await lab.python(
            "import zipfile, gzip\n"
            "print(zipfile.ZipFile('a.zip').read('x'), gzip.open('a.gz').read())",
            inputs=dict(ran.files),
        )

        assert check.stdout == "b'y' b'z'\n"

    async def test_output_written_in_c_is_not_lost(self, lab: Lab) -> None:
        ran = await lab.python("import ctypes\nctypes.CDLL(None).puts(b'from C')")

        assert ran.stdout == "from C\n"

    async def test_a_closed_standard_output_is_no_disaster(self, lab: Lab) -> None:
        ran = await lab.python("import sys\nprint('said')\nsys.stdout.close()")

        assert (ran.stdout, ran.stderr) == ("said\n", "")

    async def test_a_daemon_thread_at_work_does_not_stumble(self, lab: Lab) -> None:
        ran = await lab.python("""
            import threading
            text = "x"
            def spin():
                while True:
                    len(text)
            for _ in range(3):
                threading.Thread(target=spin, daemon=True).start()
            file = open("a.txt", "w")
            file.write("kept")
            """)

        assert (ran.stderr, ran.files) == ("", {"a.txt": b"kept"})
