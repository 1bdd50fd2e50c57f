"""A Python program behaves as under `python3 main.py`, though it runs in a forked child."""

import json

import pytest

from tests.contracts.sandbox.lab import Lab

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


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
