"""Decides whether this host takes new runs: what it lacks, and what it says of that."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from executor.host_memory import available_memory
from executor.intake import Intake
from executor.sandbox import SandboxUnavailableError
from executor.settings import ExecutorSettings

ASK_AGAIN_S = 5.0
ENDING = "it has been told to end"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What is to stay free on the host."""

    memory_bytes: int
    disk_bytes: int

    @classmethod
    def from_settings(cls, settings: ExecutorSettings) -> "Reserve":
        """Take it from what the operator set."""
        return cls(
            memory_bytes=settings.executor_min_free_memory,
            disk_bytes=settings.executor_min_free_disk,
        )

    def shortage(self, disk: Path | None) -> str:
        """Say what is short; empty if nothing is.

        Args:
            disk: A folder on the engine's disk; `None`: it is not this host's, or not known.
        """
        free = available_memory()
        if free is not None and free < self.memory_bytes:
            least = f"EXECUTOR_MIN_FREE_MEMORY is {self.memory_bytes}"
            return f"memory is short: {free} bytes are available, and {least}"
        free = _free_disk(disk)
        if free is not None and free < self.disk_bytes:
            least = f"EXECUTOR_MIN_FREE_DISK is {self.disk_bytes}"
            return f"disk is short: {free} bytes are free below {disk}, and {least}"
        return ""


class Admission:
    """Opens and closes the intake, and says so in the log."""

    def __init__(self, intake: Intake, reserve: Reserve, *, makes_ahead: bool) -> None:
        """Begin with an open intake.

        Args:
            intake: What is opened and closed.
            reserve: What is to stay free.
            makes_ahead: Whether sandboxes are made before runs come. Where none are, nobody
                would find out that they can be made again.
        """
        self._intake = intake
        self._reserve = reserve
        self._makes_ahead = makes_ahead
        self._disk: Path | None = None
        self._is_ending = False
        self._reason = ""
        self.is_short = False
        """Whether the host lacks memory or disk, as of the last look."""

    def end(self) -> None:
        """Take none from now on."""
        self._is_ending = True

    def judge(self, trouble: str) -> str:
        """Say why no new runs are taken; empty if they are. To be asked every few seconds.

        Args:
            trouble: What keeps sandboxes from being made.
        """
        shortage = self._reserve.shortage(self._disk)
        self.is_short = bool(shortage)
        reason = ENDING if self._is_ending else trouble if self._makes_ahead else ""
        reason = reason or shortage
        if reason and not self._reason:
            _log.warning("no new runs are taken: %s", reason)
        elif self._reason and not reason:
            _log.warning("new runs are taken again")
        self._reason = reason
        self._intake.keep(is_open=not reason)
        return reason

    async def find_disk(self, find: Callable[[], Path | None]) -> None:
        """Ask which disk is filled, until somebody answers. `find` may block."""
        while True:
            try:
                self._disk = await asyncio.to_thread(find)
            except SandboxUnavailableError:
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                return


def _free_disk(folder: Path | None) -> int | None:
    try:
        return None if folder is None else shutil.disk_usage(folder).free
    except OSError:
        return None  # Closed to us, or not there: we are in a container, the engine is not.
