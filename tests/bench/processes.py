"""What /proc says of processes of this machine: memory, threads, and who is at work."""

import os
from pathlib import Path

from tests.bench.reports import BenchError

PROC = Path("/proc")
SUPERVISOR = b"/opt/code-command/supervisor"
"""In the command line of every process of a sandbox until it runs a program."""

KIB_PER_MB = 1000 / 1.024
"""MB are 10^6 bytes everywhere in the bench; the kernel counts in 2^10."""


def resident_mb(pid: int) -> float:
    """Return how much memory a process holds (RSS)."""
    return _kib(_status(pid), "VmRSS") / KIB_PER_MB


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return int(_field(_status(pid), "Threads"))


def processor_s(pid: int) -> float:
    """Return how much processor time a process has used, in seconds."""
    fields = _stat(pid).split()
    if not fields:
        raise BenchError(f"process {pid} is gone")
    user, system = fields[11:13]  # proc(5), counted from the state on.
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def proportional_mb(pid: int) -> float:
    """Return a process's memory, shared pages divided by who shares them (PSS).

    Raises:
        BenchError: It is another user's, and we are not root; or it is gone.
    """
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError as fault:
        raise BenchError(f"the memory of process {pid} cannot be read: {fault}") from fault
    return _kib(rollup, "Pss") / KIB_PER_MB


def sandboxes() -> dict[str, list[int]]:
    """Return the processes of each sandbox that waits, by its process namespace.

    Of every executor on this machine: the bench expects to be alone.

    Raises:
        BenchError: They are another user's, and we are not root.
    """
    found: dict[str, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            if SUPERVISOR not in (folder / "cmdline").read_bytes():
                continue
            space = str((folder / "ns" / "pid").readlink())
        except FileNotFoundError:
            continue  # It has ended meanwhile.
        except PermissionError as fault:
            raise BenchError("only root sees the processes of sandboxes") from fault
        except OSError:
            continue  # A zombie, or about to end.
        # A runtime's own helper carries the same command line for a moment.
        if (folder / "root").exists():
            found.setdefault(space, []).append(int(folder.name))
    return found


def at_work() -> int:
    """Return how many processes of waiting sandboxes compute, or would if they might.

    One that its CPU limit holds back counts: it is runnable, as the kernel sees it.
    """
    return sum(
        _state(pid) in {"R", "D"} for processes in sandboxes().values() for pid in processes
    )


def _state(pid: int) -> str:
    return _stat(pid)[:1]


def _stat(pid: int) -> str:
    """Return /proc/PID/stat from the state on; empty for one that has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(") ")[2]


def _status(pid: int) -> str:
    try:
        return (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError as fault:
        raise BenchError(f"process {pid} is gone: {fault}") from fault


def _kib(text: str, name: str) -> float:
    return float(_field(text, name).removesuffix("kB"))


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise BenchError(f"the kernel says nothing of {name}")
