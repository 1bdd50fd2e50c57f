"""One process that we started: its log, its end, and how it is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")

LOG_LIMIT_BYTES = 20 * 1024 * 1024
"""A longer log is put beside, replacing what was there: at most twice this a process."""

_POLL_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to start a process, and how to stop it."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    log: Path
    grace_s: float
    """How long it may take to stop before it is killed."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it if we die without stopping it."""


class Child:
    """A process and its successors: it may be started again once it has ended.

    Start it from the main thread: the kernel's promise to end it with its parent is tied to
    the thread that made it.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._end_handle: int | None = None
        rotate(spec.log)

    def start(self) -> None:
        """Start the process, in a group of its own: a Ctrl-C is for us alone."""
        tether = (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()))
        orders = (str(int(self.spec.orphan_signal)), *self.spec.argv)
        with self.spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                (*tether, *orders),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.spec.cwd,
                env=dict(self.spec.environment),
                process_group=0,
            )
        self._end_handle = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int | None:
        """The process id, `None` before the first start."""
        return self._process.pid if self._process else None

    @property
    def end_handle(self) -> int | None:
        """A descriptor that becomes readable at the process's end; `None` after it."""
        return self._end_handle

    def exit_code(self) -> int | None:
        """Return how the process ended, `None` while it runs. Negative is a signal."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None and self._end_handle is not None:
            os.close(self._end_handle)
            self._end_handle = None
        return code

    def is_running(self) -> bool:
        """Say whether the process was started and has not ended."""
        return self._process is not None and self.exit_code() is None

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> bool:
        """End the process; return whether it went by itself.

        It is asked first, and killed with its whole group after `grace_s`, or as soon as
        `hurry` says so.
        """
        if self._process is None or not self.is_running():
            return True
        self._process.terminate()
        give_up_at = time.monotonic() + self.spec.grace_s
        while self.is_running():
            if hurry() or time.monotonic() > give_up_at:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                self.exit_code()
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True

    def trim_log(self) -> None:
        """Put a log that has grown too long beside, and go on with an empty one."""
        log = self.spec.log
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            # The process holds the file open for appending, so it cannot just be renamed.
            _previous(log).write_bytes(log.read_bytes()[-LOG_LIMIT_BYTES:])
            os.truncate(log, 0)

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of the log, for somebody who wants to know what went wrong."""
        try:
            text = self.spec.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def rotate(log: Path) -> None:
    """Put the log of the previous start beside, so that a new one begins empty."""
    if log.exists():
        log.replace(_previous(log))


def _previous(log: Path) -> Path:
    return log.with_name(log.name + ".1")
