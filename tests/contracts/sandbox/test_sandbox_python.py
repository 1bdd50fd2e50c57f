"""A Python program behaves as under `python3 main.py`, though it runs in a forked child."""

import json

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


class TestMain:
    async def test_it_is_the_main_module(self, lab: Lab) -> None:
        ran = await lab.python("if __name__ == '__main__':\n    print(__file__)")

        assert ran.stdout == "/mnt/data/main.py\n"

    async def test_its_source_is_not_touched(self, lab: Lab) -> None:
        """Trap 37: what is written over several lines keeps its content."""
        code = 'from __future__ import annotations\nx = """a\n  b\n\tc"""\nprint(ascii(x))\n'
        ran = await lab.python(code + "def f(y: Missing): ...\nprint(f.__annotations__)")

        assert ran.stdout == "'a\\n  b\\n\\tc'\n{'y': 'Missing'}\n"

    async def test_globals_are_globals(self, lab: Lab) -> None:
        ran = await lab.python("n = 1\ndef f():\n    global n\n    n += 1\nf()\nprint(n)")

        assert ran.stdout == "2\n"

    async def test_nothing_of_the_supervisor_can_be_seen(self, lab: Lab) -> None:
        ran = await lab.python(
            "import sys, json\n"
            "print(json.dumps([sorted(vars(sys.modules['__main__'])), sys.path[0],\n"
            "  [m for m in sys.modules if 'supervisor' in m]]))"
        )

        names, first_path, modules = json.loads(ran.stdout)
        assert first_path == "/mnt/data"
        assert modules == []
        assert set(names) <= {
            "__builtins__",
            "__cached__",
            "__doc__",
            "__file__",
            "__loader__",
            "__name__",
            "__package__",
            "__spec__",
            "json",
            "sys",
        }

    async def test_classes_and_functions_of_it_can_be_pickled(self, lab: Lab) -> None:
        ran = await lab.python(
            "import pickle\nclass A:\n    x = 1\ndef f(): return 2\n"
            "a, g = pickle.loads(pickle.dumps((A(), f)))\nprint(type(a) is A, a.x, g())"
        )

        assert ran.stdout == "True 1 2\n"

    async def test_processes_can_be_made_from_it(self, lab: Lab) -> None:
        ran = await lab.python(
            "from multiprocessing import Pool\ndef double(n): return 2 * n\n"
            "if __name__ == '__main__':\n    with Pool(2) as p: print(p.map(double, range(5)))"
        )

        assert (ran.stdout, ran.stderr) == ("[0, 2, 4, 6, 8]\n", "")

    async def test_modules_among_the_inputs_can_be_imported(self, lab: Lab) -> None:
        ran = await lab.python(
            "import helper, pkg.inner; print(helper.x + pkg.inner.y)",
            inputs={"helper.py": b"x = 40", "pkg/__init__.py": b"", "pkg/inner.py": b"y = 2"},
        )

        assert ran.stdout == "42\n"

    async def test_also_when_an_input_is_called_like_the_entry_file(self, lab: Lab) -> None:
        ran = await lab.python(
            "import main, helper; print(main.x, helper.y)",
            inputs={"main.py": b"x = 'the input'", "helper.py": b"y = 'too'"},
        )

        assert ran.stdout == "the input too\n"
        assert ran.leftovers.unchanged == {"main.py", "helper.py"}

    async def test_it_leaves_no_byte_code_behind(self, lab: Lab) -> None:
        ran = await lab.python("import helper", inputs={"helper.py": b"x = 1"})

        assert (ran.files, ran.leftovers.skipped_count) == ({}, 0)

    async def test_random_numbers_differ_from_sandbox_to_sandbox(self, lab: Lab) -> None:
        """Each is a copy of what was preloaded, and so might be its generators."""
        code = "import random, numpy, os, uuid\nprint(random.random(), numpy.random.rand())"
        first, second = await lab.python(code), await lab.python(code)

        assert not set(first.stdout.split()) & set(second.stdout.split())


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


class TestOutput:
    async def test_it_appears_in_the_order_of_printing(self, lab: Lab) -> None:
        ran = await lab.python("""
            import os, subprocess
            print("1")
            subprocess.run(["echo", "2"])
            os.write(1, b"3\\n")
            os.system("echo 4")
            print("5", end="")
            """)

        assert ran.stdout == "1\n2\n3\n4\n5"

    async def test_it_is_utf_8(self, lab: Lab) -> None:
        ran = await lab.python("print('ü 🎉', open('main.py').encoding)")

        assert ran.stdout.lower() == "ü 🎉 utf-8\n"

    async def test_it_is_seen_although_the_program_is_killed(self, lab: Lab) -> None:
        ran = await lab.python("import os\nprint('said')\nos.kill(os.getpid(), 9)")

        assert (ran.stdout, ran.signal, ran.stopped) == ("said\n", "SIGKILL", None)

    async def test_the_keyboard_interrupt_works_as_usual(self, lab: Lab) -> None:
        ran = await lab.python(
            "import os, signal\n"
            "try: os.kill(os.getpid(), signal.SIGINT)\n"
            "except KeyboardInterrupt: print('caught')"
        )

        assert ran.stdout == "caught\n"


class TestCharts:
    async def test_showing_a_chart_leaves_a_picture(self, lab: Lab) -> None:
        ran = await lab.python("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")

        assert list(ran.files) == ["plot_1.png"]
        assert ran.files["plot_1.png"].startswith(b"\x89PNG\r\n")
        assert ran.stderr == ""
