"""Programs in a sandbox that has loaded the libraries ahead."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from executor.concurrency import end
from executor.sandbox import Program, Sandbox, SandboxEngine
from tests.contracts.sandbox.lab import LIMITS, Ran, run_in

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

CHART = """
import matplotlib.pyplot as plt
plt.plot([1, 2, 3], [2.5, 1.5, 3.5], label="a")
plt.title("t")
plt.legend()
plt.savefig("chart.png")
"""

TABLE = """
import pandas as pd
frame = pd.read_csv("in.csv")
print(frame.groupby("kind")["amount"].sum())
frame.to_csv("out.csv", index=False)
"""


@pytest.fixture
async def sandbox(real_engine: SandboxEngine) -> AsyncGenerator[Sandbox]:
    sandbox = await real_engine.create()
    await sandbox.preload()
    yield sandbox
    await sandbox.destroy()


async def python(sandbox: Sandbox, code: str) -> Ran:
    program = Program(language="py", source=code.encode())
    return await run_in(sandbox, program, LIMITS, {"in.csv": b"kind,amount\na,1\nb,2\n"})


@pytest.mark.parametrize("code", [CHART, TABLE], ids=["chart", "table"])
async def test_the_usual_programs_import_nothing_any_more(sandbox: Sandbox, code: str) -> None:
    """A preload that silently fails costs every run its imports."""
    asking = "import sys\nbefore = set(sys.modules)\n"
    telling = "print('new:', *sorted(set(sys.modules) - before))"

    ran = await python(sandbox, asking + code + telling)

    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "new:"


async def test_warming_up_leaves_no_trace(sandbox: Sandbox) -> None:
    code = """
import matplotlib.pyplot as plt, os, gc
print(plt.get_fignums(), plt.figure().number, sorted(os.listdir(".")), gc.isenabled())
"""
    ran = await python(sandbox, code)

    assert ran.stdout == "[] 1 ['in.csv', 'main.py'] True\n"


async def test_a_forked_child_that_ends_first_does_not_end_the_run(sandbox: Sandbox) -> None:
    code = """
import os, sys, numpy
if os.fork() == 0:
    sys.exit(9)
os.wait()
print("the parent")
sys.exit(4)
"""
    ran = await python(sandbox, code)

    assert (ran.stdout, ran.exit_code) == ("the parent\n", 4)


async def test_a_job_that_comes_while_it_loads_is_run(real_engine: SandboxEngine) -> None:
    sandbox = await real_engine.create()
    try:
        await sandbox.prepare(Program(language="py", source=b"print(1)"), LIMITS)
        execution = await sandbox.run()
    finally:
        await sandbox.destroy()

    assert execution.stdout == b"1\n"


async def test_a_program_is_not_believed_to_have_run_on(sandbox: Sandbox) -> None:
    """Its threads are stopped before its files are looked at."""
    code = """
import numpy, threading
def write():
    with open("ticks", "a") as file:
        while True:
            file.write("x")
            file.flush()
threading.Thread(target=write, daemon=True).start()
while not __import__("os").path.exists("ticks"):
    pass
"""
    ran = await python(sandbox, code)

    assert ran.exit_code == 0, ran.stderr
    assert set(ran.files["ticks"]) <= {ord("x")}


class TestTheOtherProcess:
    """A sandbox has two that wait; a program becomes one, and may see the other."""

    OTHERS = (
        "import os\n"
        "others = [int(name) for name in os.listdir('/proc') if name.isdigit()]\n"
        "others = [pid for pid in others if pid not in (1, os.getpid())]\n"
    )

    async def test_nobody_can_look_into_it(self, sandbox: Sandbox) -> None:
        """What could make it run something would outlive the program by that."""
        ran = await python(
            sandbox,
            self.OTHERS + "import ctypes\n"
            "PTRACE_ATTACH = 16\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "for pid in others:\n"
            "    refused = libc.ptrace(PTRACE_ATTACH, pid, 0, 0) != 0\n"
            "    print('refused' if refused else 'attached')\n"
            "    for name in 'mem', 'environ', 'fd', 'maps':\n"
            "        try:\n"
            "            os.listdir(f'/proc/{pid}/fd') if name == 'fd' else"
            " open(f'/proc/{pid}/{name}', 'rb').read(1)\n"
            "            print(name)\n"
            "        except OSError:\n"
            "            pass\n",
        )

        assert ran.stdout == "refused\n", ran.stderr

    async def test_killing_it_changes_nothing(self, sandbox: Sandbox) -> None:
        ran = await python(
            sandbox,
            self.OTHERS + "import signal, time\n"
            "for pid in others:\n"
            "    os.kill(pid, signal.SIGKILL)\n"
            "time.sleep(0.2)\n"
            "if os.fork() == 0:\n"
            "    while True:\n"
            "        open('still-there', 'w').write(str(time.time()))\n"
            "time.sleep(0.1)\n"
            "print(len(others))\n",
        )

        assert (ran.stdout, ran.exit_code) == ("1\n", 0)
        assert list(ran.files) == ["still-there"]


async def test_a_job_that_comes_together_with_the_order_to_load_does_not_wait_for_that(
    real_engine: SandboxEngine,
) -> None:
    sandbox = await real_engine.create()
    try:
        preloading = asyncio.create_task(sandbox.preload())
        await asyncio.sleep(0)
        await end([preloading])
        ran = await python(sandbox, "import sys; print('pandas' in sys.modules)")
    finally:
        await sandbox.destroy()

    assert ran.stdout == "False\n"
