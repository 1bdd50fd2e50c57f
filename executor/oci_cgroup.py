"""A sandbox's control group, in the kernel's first interface and in its second (cgroups(7))."""

import asyncio
import errno
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HIERARCHIES = Path("/sys/fs/cgroup")
MOUNTS = Path("/proc/self/mounts")

REMOVAL_TIMEOUT_S = 5.0
REMOVAL_PAUSE_S = 0.005


class Cgroup:
    """One group below the root of every hierarchy that this host has."""

    def __init__(self, name: str) -> None:
        """Find the hierarchies.

        Args:
            name: An absolute path below their roots, such as `/code-command/host/box`.
        """
        self.name = name
        self._is_unified = (HIERARCHIES / "cgroup.controllers").exists()

    def raise_memory(self, limit_bytes: int) -> None:
        """Let it use this much memory, and no swap.

        Raises:
            OSError: It is gone, or the kernel refuses.
        """
        if self._is_unified:
            (self._path() / "memory.max").write_text(str(limit_bytes))
            return
        folder = self._path("memory")
        # Memory and swap together first: neither may be below memory alone.
        both = folder / "memory.memsw.limit_in_bytes"
        if both.exists():
            both.write_text(str(limit_bytes))
        (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))

    def freeze(self, *, frozen: bool) -> None:
        """Keep its processes from running, or let them run again. May be repeated.

        The kernel stops them a moment after this has returned, thread by thread.

        Raises:
            OSError: It has no freezer, or the kernel refuses. One that is gone is let be.
        """
        if self._is_unified:
            file, word = self._path() / "cgroup.freeze", "1" if frozen else "0"
        else:
            file = self._path("freezer") / "freezer.state"
            word = "FROZEN" if frozen else "THAWED"
        with suppress(FileNotFoundError, ProcessLookupError):
            file.write_text(word)

    def oom_kills(self) -> int:
        """Return how many of its processes the kernel killed for memory.

        Raises:
            OSError: It is gone.
        """
        folder = self._path() if self._is_unified else self._path("memory")
        name = "memory.events" if self._is_unified else "memory.oom_control"
        for line in (folder / name).read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def groups_within(self) -> set[str]:
        """Return the names of the groups that lie in this one, in whatever hierarchy."""
        return {
            entry.name
            for folder in self._folders()
            if folder.is_dir()
            for entry in folder.iterdir()
            if entry.is_dir()
        }

    def kill(self) -> None:
        """Kill every process in it. Those of a PID namespace end with their first."""
        for folder in self._folders():
            with suppress(FileNotFoundError, ProcessLookupError):
                for pid in (folder / "cgroup.procs").read_text().split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)

    async def remove(self) -> None:
        """Remove it from every hierarchy, waiting for processes that are just ending.

        Raises:
            OSError: It is still in use after `REMOVAL_TIMEOUT_S`.
        """
        async with asyncio.timeout(REMOVAL_TIMEOUT_S):
            for folder in self._folders():
                while not _removed(folder):  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(REMOVAL_PAUSE_S)

    def _path(self, controller: str = "") -> Path:
        return HIERARCHIES / controller / self.name.lstrip("/")

    def _folders(self) -> Iterator[Path]:
        if self._is_unified:
            yield self._path()
            return
        for mount in _hierarchies():
            yield mount / self.name.lstrip("/")


def _hierarchies() -> list[Path]:
    lines = (line.split() for line in MOUNTS.read_text().splitlines())
    return [Path(fields[1]) for fields in lines if fields[2] in {"cgroup", "cgroup2"}]


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as fault:
        if fault.errno == errno.EBUSY:
            return False
        raise
    return True
