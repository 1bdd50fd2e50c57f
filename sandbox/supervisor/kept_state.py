"""The workspace between two runs: what came of it before this one, and what goes after it."""

import os
from collections.abc import Iterator
from io import BufferedReader

from . import snapshot
from .job import KeptState
from .languages import BUILD
from .restore import Restoration
from .saved_entries import FILE, VARIABLES, Entry
from .snapshot import Snapshot, TooManyEntriesError
from .workspace import WORKSPACE, Workspace

VARIABLES_PATH = f"{BUILD}/python-variables"
"""Beside the workspace: no input can take its place, and it is no file of the run's."""


class StateOfRun:
    """Restores a workspace before a run, and saves it after.

    The order is `begin`, `write`, `finish_restoring` where there is something to restore;
    `survey` right after the program's end; `compare` and `pieces` once its outputs are read.
    """

    def __init__(
        self,
        terms: KeptState,
        workspace: Workspace,
        *,
        root: str = WORKSPACE,
        variables_path: str = VARIABLES_PATH,
    ) -> None:
        self._terms = terms
        self._workspace = workspace
        self._root = root
        self._variables_path = variables_path if terms.variables else None
        self._restoration: Restoration | None = None
        self._entries: list[Entry] | str = []
        """Or one of `snapshot.OUTCOMES`, where there is nothing to save."""

    def begin(self) -> None:
        """Say that there is a workspace to restore."""
        self._restoration = Restoration(self._root, self._variables_path)

    def write(self, data: bytes) -> None:
        """Take the next piece of it. Raises `OSError` where there is no room for it."""
        if self._restoration is not None:
            self._restoration.write(data)

    def finish_restoring(self) -> None:
        """Say that it is complete. Raises `OSError` where there is no room for it."""
        if self._restoration is not None:
            self._workspace.restored = self._restoration.finish()

    @property
    def restored(self) -> bool:
        """Whether there is anything of an earlier run."""
        return self._workspace.restored is not None

    @property
    def discarded(self) -> bool:
        """Whether there was something that is no saved workspace."""
        return self._restoration is not None and not self.restored

    def survey(self) -> None:
        """Look at all there is, before reading files changes the modes of those unreadable."""
        try:
            found = snapshot.survey(self._root)
        except TooManyEntriesError:
            self._entries = snapshot.TOO_MANY
            return
        except OSError:
            self._entries = snapshot.UNREADABLE
            return
        self._entries = [
            entry
            for entry in found
            if not self._workspace.is_own_source(entry.path, entry.size_bytes)
        ]
        variables = self._variables_path and snapshot.variables_entry(self._variables_path)
        if variables:
            self._entries.append(variables)

    def compare(self) -> Snapshot:
        """Return what became of the workspace."""
        if isinstance(self._entries, str):
            return Snapshot(self._entries)
        if not self._has_room_again(self._entries):
            return Snapshot(snapshot.TOO_LARGE)
        restored = self._workspace.restored
        return snapshot.compared(
            self._entries,
            None if restored is None else restored.fingerprint,
            self._open,
            max_bytes=self._terms.max_bytes,
        )

    def _has_room_again(self, entries: list[Entry]) -> bool:
        """Whether the next run has room for it: holes take none now, and will then.

        Else a program could leave what no later run can begin with.
        """
        files = sum(_whole_pages(each.size_bytes) for each in entries if each.kind == FILE)
        variables = sum(each.size_bytes for each in entries if each.kind == VARIABLES)
        folder = os.path.dirname(self._variables_path or self._root)
        return files <= _capacity(self._root) and variables <= _capacity(folder)

    def pieces(self, taken: Snapshot) -> Iterator[bytes]:
        """Yield what is to be stored. Raises `OSError` where a file cannot be read any more."""
        return snapshot.pieces(taken, self._open)

    def _open(self, path: str) -> BufferedReader:
        return self._workspace.open_output(path or self._variables_path or "")


def _whole_pages(size_bytes: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    return -(-size_bytes // page) * page


def _capacity(folder: str) -> int:
    """Return how many bytes the file system can hold that a folder is in."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize
