"""Keeps our processes alive while the service runs, and stops them in order."""

import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import NoReturn, Self

from infra.local.child import Child, ChildSpec
from infra.local.console import Console
from infra.local.errors import ChildFailedError
from infra.local.signal_bell import SignalBell

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
"""A process that lived this long is started again without a growing pause."""

_PROBE_INTERVAL_S = 0.05
_ROUND_S = 30.0
"""How often logs are looked at when nothing happens."""


@dataclass(slots=True)
class _Charge:
    """A child and when to start it again."""

    child: Child
    started_at: float
    pause_s: float
    restart_at: float | None = None


class Supervisor:
    """Starts children, watches them, and stops them in the reverse order.

    A context manager, for the main thread. Inside the block, the first Ctrl-C, SIGTERM or
    SIGHUP raises `KeyboardInterrupt`. Leaving the block, for whatever reason, stops
    everything; a further Ctrl-C does not tear the clean-up apart, but kills what is left.
    """

    def __init__(self, console: Console, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._console = console
        self._first_pause_s = first_pause_s
        self._charges: list[_Charge] = []
        self._closers = ExitStack()
        self._interrupts = 0
        self._is_stopping = False
        self._bell = SignalBell()

    def __enter__(self) -> Self:
        self._closers.enter_context(self._bell)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before is signal.SIG_IGN:
                continue  # nohup, or a background job of a shell: it is meant to go on.
            signal.signal(number, self._on_signal)
            self._closers.callback(signal.signal, number, before)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_stopping = True
        self._closers.close()

    def start(self, spec: ChildSpec) -> Child:
        """Start a process; it is stopped before everything that was started earlier."""
        child = Child(spec)
        self._closers.callback(self._stop, child)
        child.start()
        self._charges.append(_Charge(child, time.monotonic(), self._first_pause_s))
        return child

    def release(self, child: Child) -> None:
        """Stop `child` now, and do not start it again."""
        self._charges = [charge for charge in self._charges if charge.child is not child]
        self._stop(child)

    def at_stop(self, closer: Callable[[], None]) -> None:
        """Call `closer` at the end: after what is started later, before what came earlier."""
        self._closers.callback(closer)

    def wait_until(
        self, ready: Callable[[], bool], *, children: Sequence[Child], timeout_s: float
    ) -> None:
        """Wait until `ready` says so.

        Raises:
            ChildFailedError: One of `children` ended, or the time is over. The end of its
                log is in the message.
        """
        give_up_at = time.monotonic() + timeout_s
        while not ready():
            for child in children:
                code = child.exit_code()
                if code is not None:
                    raise ChildFailedError(_report(child, f"ended ({_how(code)})"))
            if time.monotonic() > give_up_at:
                late = f"is not ready after {timeout_s:.0f} s"
                raise ChildFailedError("\n".join(_report(child, late) for child in children))
            time.sleep(_PROBE_INTERVAL_S)

    def watch(self) -> NoReturn:
        """Start again whatever ends, until a signal ends us."""
        while True:
            self.tend()
            handles = [charge.child.end_handle for charge in self._charges]
            running = [handle for handle in handles if handle is not None]
            select.select([self._bell, *running], [], [], self._pause_s())

    def tend(self) -> None:
        """Look at every child once: note an end, start again what is due."""
        for charge in self._charges:
            if charge.child.is_running():
                charge.child.trim_log()
            elif charge.restart_at is None:
                self._plan_restart(charge)
            elif time.monotonic() >= charge.restart_at:
                self._start_again(charge)

    def _start_again(self, charge: _Charge) -> None:
        charge.restart_at = None
        charge.started_at = time.monotonic()
        try:
            charge.child.start()
        except OSError as fault:  # No process can be had, or no file for its log.
            self._console.error(f"{charge.child.spec.name} cannot be started: {fault}")

    def _plan_restart(self, charge: _Charge) -> None:
        now = time.monotonic()
        if now - charge.started_at > STEADY_AFTER_S:
            charge.pause_s = self._first_pause_s
        charge.restart_at = now + charge.pause_s
        spec = charge.child.spec
        self._console.error(
            f"{spec.name} ended ({_how(charge.child.exit_code() or 0)}); starting it again "
            f"in {charge.pause_s:g} s. Its log: {spec.log}"
        )
        charge.pause_s = min(charge.pause_s * 2, LONGEST_PAUSE_S)

    def _pause_s(self) -> float:
        """How long nothing is to be done unless a child ends."""
        now = time.monotonic()
        due = [c.restart_at - now for c in self._charges if c.restart_at is not None]
        return max(0.0, min([*due, _ROUND_S]))

    def _stop(self, child: Child) -> None:
        if not child.is_running():
            return
        self._console.say(f"stopping {child.spec.name}")
        if not child.stop(hurry=lambda: self._interrupts > 1):
            self._console.say(f"{child.spec.name} did not stop by itself and was killed")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts == 1 and not self._is_stopping:
            raise KeyboardInterrupt


def _report(child: Child, what: str) -> str:
    tail = child.log_tail()
    return f"{child.spec.name} {what}; the end of its log, {child.spec.log}:\n{tail}"


def _how(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
