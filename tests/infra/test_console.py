import io
import os
import re
import subprocess
import sys

import pytest

from infra.local import console as console_module
from infra.local.config import CHECKOUT
from infra.local.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def narrow(_handle: int) -> os.terminal_size:
        return os.terminal_size((40, 25))

    monkeypatch.setattr(os, "get_terminal_size", narrow)
    return Terminal()


def test_a_line_tells_when_it_was_said() -> None:
    stream = io.StringIO()

    Console(stream).say("starting")

    assert re.fullmatch(r"\[ +\d+\.\ds\] starting\n", stream.getvalue())


def test_the_time_goes_on_where_a_process_becomes_another_program() -> None:
    """As on a first start, which installs packages and goes on in the environment."""
    says = "from infra.local.console import started_at; import time; "
    says += "print(time.monotonic() - started_at())"
    becomes = (
        f"import os, sys, time; time.sleep(0.5); os.execv(sys.executable, {['p', '-c', says]})"
    )

    done = subprocess.run(
        (sys.executable, "-c", becomes),
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )

    assert 0.5 <= float(done.stdout) < 30


def test_no_colours_go_into_a_log() -> None:
    stream = io.StringIO()
    console = Console(stream)

    console.done("ready")
    console.error("broken")
    console.status("1 of 2")

    assert "\x1b" not in stream.getvalue()


def test_a_status_on_a_terminal_is_cut_to_its_width_and_overwritten(
    terminal: Terminal,
) -> None:
    console = Console(terminal)

    console.status("x" * 100)
    console.status("second")
    console.say("done")

    assert "\n" not in terminal.getvalue().removesuffix("\n")
    assert "x" * 40 not in terminal.getvalue()
    assert terminal.getvalue().count("\r\x1b[2K") == 2


def test_no_color_is_heeded(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    Console(terminal).done("ready")

    assert "\x1b[32m" not in terminal.getvalue()


def test_a_status_in_a_log_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.status("too early")
    monkeypatch.setattr(console_module, "STATUS_INTERVAL_S", 0.0)

    console.status("in time")

    assert "too early" not in stream.getvalue()
    assert "in time" in stream.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_work() -> None:
    """`up | head` must still stop what it started."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        console = Console(stream)

        console.say("nobody hears this")
        console.say("nor this")
