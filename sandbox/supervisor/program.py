"""Runs the user's program and watches it: output, time, memory, and its end."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

from . import last_word
from .frames import CHUNK_BYTES, Kind
from .incoming import HostGoneError, Incoming
from .job import Job
from .lean_typing import NamedTuple
from .memory import count_oom_kills
from .processes import kill_everything
from .standby import Order, Standby

Send = Callable[[Kind, bytes], None]


class Ended(NamedTuple):
    """How the program came to its end."""

    exit_code: int | None
    signal: str | None
    stopped: str | None
    """`time`, `stdout`, `memory`, `calls` or `call_bytes`, where a limit ended it."""
    wall_time_ms: int
    """Less the time in which it was held."""
    stderr_cut: bool


class _Stream:
    """One of the program's two outputs, passed on up to a limit."""

    def __init__(self, descriptor: int, kind: Kind, limit: int, send: Send) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.exceeded = False
        self._kind = kind
        self._left = limit
        self._send = send

    def pump(self) -> bool:
        """Pass on what is there; return whether more may come."""
        try:
            data = os.read(self.descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._pass_on(data)
        return bool(data)

    def empty(self) -> None:
        """Pass on what is left there, and close it. Nobody may write any more.

        Its end is not waited for: the kernel closes what a program had open only after it has
        freed its memory, 4 to 8 ms later for one with pandas in it.
        """
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.descriptor, CHUNK_BYTES):
                self._pass_on(data)
        os.close(self.descriptor)

    def _pass_on(self, data: bytes) -> None:
        if len(data) > self._left:
            self.exceeded = True
        if self._left and data:
            self._send(self._kind, data[: self._left])
        self._left = max(0, self._left - len(data))


class Program:
    """One run of one program, from its release to the last byte of its output."""

    def __init__(
        self, job: Job, path: str, send: Send, *, standby: Standby, bystander: int | None
    ) -> None:
        """Start it.

        Args:
            job: What to run, and its limits.
            path: Of the entry file.
            send: Takes its output.
            standby: The process that becomes it.
            bystander: The id of another one, which nobody needs.
        """
        self._bystander = bystander
        self._last_word = standby.last_word
        self._limits = job.limits
        self._wakeup, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, last_word.SIGNAL):
            signal.signal(number, lambda _number, _frame: None)
        self._stdout = _Stream(standby.stdout, Kind.STDOUT, self._limits.stdout_bytes, send)
        self._stderr = _Stream(standby.stderr, Kind.STDERR, self._limits.stderr_bytes, send)
        self._pid = standby.pid
        self._exit_code: int | None = None
        """Negative where a signal ended it."""
        self._oom_kills = count_oom_kills()
        self._started = time.monotonic()
        tools = None if job.tools is None else job.tools.decode()
        variables = job.state is not None and job.state.variables
        order = Order(job.language, path, job.args, self._limits.open_files, tools, variables)
        standby.release(order)

    def wait(self, *, host: Incoming) -> Ended:
        """Watch until the program ends or a limit ends it; afterwards nothing is alive.

        The program's own end is the end of the run: children that it leaves behind, even
        those that hold its output open, are killed and do not delay the answer.

        Args:
            host: What the executor says. It has nothing to say while a program runs, so
                whatever makes it readable then is its end.

        Raises:
            HostGoneError: The executor is gone.
        """
        stopped = self._watch(host)
        wall_time_ms = round((time.monotonic() - self._started) * 1000)
        kill_everything(self._reap, but=lambda: self._bystander)
        for stream in (self._stdout, self._stderr):
            stream.empty()
        if self._stdout.exceeded:
            stopped = "stdout"
        elif stopped is None and self._ran_out_of_memory():
            stopped = "memory"
        killed_by_us = stopped not in {None, "memory"}
        code = self._exit_code
        number = signal.SIGKILL if killed_by_us else -code if code and code < 0 else None
        return Ended(
            exit_code=None if number is not None else code,
            signal=None if number is None else _signal_name(number),
            stopped=stopped,
            wall_time_ms=wall_time_ms,
            stderr_cut=self._stderr.exceeded,
        )

    def _watch(self, host: Incoming) -> str | None:
        streams = self._streams()
        while True:
            left = self._left_s()
            if left <= 0:
                return "time"
            ready, _, _ = select.select([self._wakeup, host.descriptor, *streams], [], [], left)
            self._attend(ready, host, streams)
            if self._stdout.exceeded:
                return "stdout"
            if self._reap() or self._has_spoken():
                return None

    def _streams(self) -> dict[int, _Stream]:
        return {stream.descriptor: stream for stream in (self._stdout, self._stderr)}

    def _left_s(self) -> float:
        return self._started + self._limits.wall_time_s - time.monotonic()

    def _attend(self, ready: list[int], host: Incoming, streams: dict[int, _Stream]) -> None:
        """Do what these descriptors are ready for; take a stream at its end from `streams`."""
        for descriptor in ready:
            if descriptor == host.descriptor:
                raise HostGoneError
            if descriptor == self._wakeup:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
            elif descriptor in streams and not streams[descriptor].pump():
                del streams[descriptor]

    def _reap(self) -> bool:
        """Collect whoever has died; return whether the program is among them."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self._bystander:
                    self._bystander = None  # Its id may be somebody's again.
                elif pid == self._pid and self._exit_code is None:
                    self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code is not None

    def _has_spoken(self) -> bool:
        self._exit_code = self._last_word.heard()
        return self._exit_code is not None

    def _ran_out_of_memory(self) -> bool:
        kills = count_oom_kills()
        if kills is None or self._oom_kills is None:
            return False
        return kills > self._oom_kills and self._exit_code != 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"  # A real-time signal.
