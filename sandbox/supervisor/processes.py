"""The other processes of the sandbox, and their end."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

KILL_DEADLINE_S = 5.0
"""How long to go on killing what forks faster than it dies. `kill(-1)` reaches every
process there is at once, so more than one pass is rare."""

PAUSE_S = 0.0003

Spared = Callable[[], int | None]

PF_EXITING = 0x4
"""Flag of a thread that will run no more code of its program: include/linux/sched.h. gVisor
shows no flags; there, processes are waited for."""


def kill_everything(reap: Callable[[], object], *, but: Spared) -> None:
    """End every other process, and return once none of them runs any more.

    What they held may still be being freed by the kernel: of an interpreter with pandas in it,
    that takes 4 ms. They all run under our uid, so no capability is needed.

    Args:
        reap: Collects children that have ended.
        but: Gives the id of a process of our own that has never run anybody's code, and into
            which nobody can look. It may live on. Nothing is given once it was collected: its
            id may be a program's by then.
    """
    if _ended_singly(reap, but):
        return
    deadline = time.monotonic() + KILL_DEADLINE_S
    while time.monotonic() < deadline:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        reap()
        if not _anybody_runs(but):
            return
        time.sleep(PAUSE_S)


def anybody_busy(but: int | None) -> bool:
    """Say whether another process than `but` runs, or waits for a processor or a disk."""
    try:
        return any(_is_busy(pid) for pid in _others() if pid != but)
    except OSError:
        return False  # A program may forbid us to open files: prlimit(2).


def _is_busy(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                if file.read().rpartition(b") ")[2][:1] in b"RD":
                    return True
    return False


def _ended_singly(reap: Callable[[], object], but: Spared) -> bool:
    """End the one process that is left, if it is no more than one; return whether none runs.

    The usual case, in which `but` is spared.
    """
    try:
        left = [pid for pid in _others() if pid != but()]
    except OSError:
        return False
    if len(left) > 1:
        return False
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reap()
    return not _anybody_runs(but)


def _anybody_runs(but: Spared) -> bool:
    try:
        return any(_runs(pid) for pid in _others() if pid != but())
    except OSError:
        return True  # A program may forbid us to open files: prlimit(2). They are waited for.


def _others() -> Iterator[int]:
    ourselves = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != ourselves:
            yield int(name)


def _runs(pid: int) -> bool:
    """Say whether a thread of the process may run another line."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return any(not _is_exiting(pid, thread) for thread in os.listdir(f"/proc/{pid}/task"))
    return False


def _is_exiting(pid: int, thread: str) -> bool:
    try:
        with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
            status = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return True
    # After the command's name, in which there may be anything: state, then ids, then flags.
    state, *fields = status.rpartition(b") ")[2].split()
    return state in b"ZX" or bool(int(fields[5]) & PF_EXITING)
