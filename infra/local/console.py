"""What a command shows while it works: lines with the time, and a passing status."""

import os
import sys
import time
from pathlib import Path
from typing import TextIO

STATUS_INTERVAL_S = 10.0
"""How often a passing status is printed where lines cannot be overwritten (a log, CI)."""

_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_START_TIME = 19
"""Which field it is behind the name of the process: proc(5) counts it as the 22nd of all."""

_CLEAR_LINE = "\r\x1b[2K"


def started_at() -> float:
    """Return when this process began, as `time.monotonic` has it.

    A first start goes on as another program once there is an environment (`exec`). The process
    is the same, and to whoever watches it is one command, so the kernel's time of it counts.
    """
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        began_s = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return now - (time.clock_gettime(time.CLOCK_BOOTTIME) - began_s)
    except (OSError, ValueError, IndexError, AttributeError):
        return now  # Not Linux, or no /proc.


class Console:
    """Prints progress. Colours and overwriting only where a person watches a terminal.

    A reader that went away (`up | head`) must not keep a command from stopping what it
    started, so a closed pipe silences the console instead of raising.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        started_at: float | None = None,
    ) -> None:
        """Print to `stream`; times are since `started_at` (`time.monotonic`), or since now."""
        self._stream = stream if stream is not None else sys.stdout
        self._is_quiet = quiet
        self._is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = self._is_terminal and not os.environ.get("NO_COLOR")
        self._started_at = time.monotonic() if started_at is None else started_at
        self._status_at = self._started_at
        self._status_shown = False

    def say(self, text: str) -> None:
        """Print a line that stays, after the seconds since the command began."""
        for line in text.splitlines():
            self._write(f"{self._stamp()} {line}\n")

    def done(self, text: str) -> None:
        """Print a line for something that is ready now."""
        self._write(f"{self._stamp()} {self._coloured(_GREEN, text)}\n")

    def error(self, text: str) -> None:
        """Print what went wrong, without a time."""
        self._write(f"{self._coloured(_RED, 'error:')} {text}\n")

    def plain(self, text: str = "") -> None:
        """Print text as it is."""
        self._write(f"{text}\n")

    def status(self, text: str) -> None:
        """Show how far a long step is: overwritten by the next line on a terminal."""
        if self._is_terminal:
            width = os.get_terminal_size(self._stream.fileno()).columns or 80
            line = f"{self._stamp(coloured=False)} {text}"[: width - 1]
            self._write(self._coloured(_DIM, line), ends_status=False)
            self._status_shown = True
        elif time.monotonic() - self._status_at >= STATUS_INTERVAL_S:
            self._status_at = time.monotonic()
            self._write(f"{self._stamp()} {text}\n")

    def _stamp(self, *, coloured: bool = True) -> str:
        stamp = f"[{time.monotonic() - self._started_at:6.1f}s]"
        return self._coloured(_DIM, stamp) if coloured else stamp

    def _coloured(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._has_colours else text

    def _write(self, text: str, *, ends_status: bool = True) -> None:
        if self._is_quiet:
            return
        if self._status_shown:
            text = _CLEAR_LINE + text
            self._status_shown = not ends_status
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # What is still buffered has to go somewhere when the interpreter ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
