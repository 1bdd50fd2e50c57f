"""One walk through a workspace after a run: every regular file, and what else lies there."""

import os
import stat
from collections.abc import Iterator

from .job import Limits
from .lean_typing import NamedTuple
from .skips import SkipReason, Skips, is_presentable

MARKER = ".dirkeep"
"""An empty file of this name stands for an empty folder (librechat-contract 3.5)."""

RESERVED_NAMES = frozenset({"_ptc_history.json"})
"""Never reported (librechat-contract 3.5)."""

MAX_SCANNED = 20_000
"""Directory entries looked at after a run. The workspace holds at most twice as many
(see the mount's `nr_inodes`); what lies beyond is reported as one skipped remainder, so
that collecting a million empty files cannot take the time limit's multiple."""


class Output(NamedTuple):
    """A regular file that was left behind."""

    name: str
    size_bytes: int


class Scan:
    """Looks at everything once, without following links and without recursion.

    No other process may be alive in the sandbox. What is no regular file is noted in
    `skips`; whether a file is kept is not decided here.
    """

    def __init__(
        self, root: str, limits: Limits, input_folders: set[str], skips: Skips
    ) -> None:
        self._root = root
        self._limits = limits
        self._input_folders = input_folders
        self._skips = skips
        self.empty_folders: list[str] = []
        """Those without any entry, known once `files` is exhausted."""

    def files(self) -> Iterator[Output]:
        """Yield every regular file of every folder that is looked into."""
        scanned = 0
        folders = [""]
        while folders:
            folder = folders.pop()
            entries = self._entries(folder)
            if entries == [] and folder:
                self.empty_folders.append(folder)
            for entry in entries or ():
                scanned += 1
                if scanned > MAX_SCANNED:
                    self._skip(folder or ".", SkipReason.TOO_MANY_ENTRIES)
                    return
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not self._is_left_out(name):
                        folders.append(name)
                elif (output := self._file(name, entry)) is not None:
                    yield output

    def _skip(self, name: str, reason: SkipReason) -> None:
        self._skips.add(sendable(name, self._limits), reason)

    def _entries(self, folder: str) -> list["os.DirEntry[str]"] | None:
        """Return what is in a folder, by name; `None` where that cannot be told."""
        path = os.path.join(self._root, folder) if folder else self._root
        try:
            if not os.access(path, os.R_OK | os.X_OK):
                os.chmod(path, 0o700)  # Ours: the program ran under our uid.
            with os.scandir(path) as found:
                first = [entry for _, entry in zip(range(MAX_SCANNED + 1), found, strict=False)]
        except OSError:
            self._skip(folder or ".", SkipReason.UNREADABLE)
            return None
        if first and folder.count("/") >= self._limits.depth:
            # What lies in here is too deep; walking on would not end in useful time.
            self._skip(folder, SkipReason.PATH_TOO_LONG)
            return None
        return sorted(first, key=lambda entry: entry.name)

    def _is_left_out(self, folder: str) -> bool:
        """Hidden folders hold caches and settings, unless an input lies in one (3.5)."""
        hidden = os.path.basename(folder).startswith(".")
        if not hidden or folder in self._input_folders:
            return False
        if self._holds_something(folder):
            self._skip(f"{folder}/", SkipReason.HIDDEN_DIRECTORY)
        return True

    def _holds_something(self, folder: str) -> bool:
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:
                return any(True for _ in found)
        except OSError:
            return True  # It cannot be told that there is nothing.

    def _file(self, name: str, entry: "os.DirEntry[str]") -> Output | None:
        if entry.name in RESERVED_NAMES:
            return None
        try:
            details = entry.stat(follow_symlinks=False)
        except OSError:
            self._skip(name, SkipReason.UNREADABLE)
            return None
        if not stat.S_ISREG(details.st_mode):
            self._skip(name, SkipReason.NOT_A_REGULAR_FILE)
            return None
        return Output(name, details.st_size)


def sendable(name: str, limits: Limits) -> str:
    """Return a name that can be put into a frame, whatever bytes it is made of."""
    return name.encode("utf-8", "backslashreplace").decode()[: limits.path_chars]


def reason_to_skip(output: Output, limits: Limits) -> SkipReason | None:
    """Say why a new or changed file is not kept; `None` if it is, as far as there is room."""
    if output.size_bytes > limits.file_bytes:
        return SkipReason.FILE_TOO_LARGE
    if is_too_long(output.name, limits):
        return SkipReason.PATH_TOO_LONG
    # The same rule as for the names of inputs, so that every output can be one.
    if not is_presentable(output.name):
        return SkipReason.UNSAFE_NAME
    is_wanted = base_name(output.name) == MARKER or kind_of(output.name) in limits.extensions
    if limits.extensions and not is_wanted:
        return SkipReason.EXTENSION_NOT_KEPT
    return None


def is_too_long(name: str, limits: Limits) -> bool:
    """Whether a path has too many characters or levels (librechat-contract 2.2)."""
    return len(name) > limits.path_chars or name.count("/") >= limits.depth


def base_name(name: str) -> str:
    """Return the last part of a path."""
    return name.rpartition("/")[2]


def is_marker(name: str, size_bytes: int) -> bool:
    """Whether a file stands for the folder that it lies in (librechat-contract 3.5)."""
    return "/" in name and size_bytes == 0 and base_name(name) == MARKER


def kind_of(name: str) -> str:
    """Return what is compared with the extensions that are kept (librechat-contract 3.6).

    The lower-case extension; of dot files and of names without one, the whole base name.
    """
    base = base_name(name).lower()
    stem, _, extension = base.rpartition(".")
    return extension if stem and extension else base.removeprefix(".")


def within_limits(outputs: list[Output], limits: Limits, skips: Skips) -> list[Output]:
    """Return those that there is room for, by name; the others are noted in `skips`."""
    kept: list[Output] = []
    total_bytes = 0
    for output in sorted(outputs):
        if len(kept) == limits.files:
            skips.add(output.name, SkipReason.TOO_MANY_FILES)
        elif total_bytes + output.size_bytes > limits.total_bytes:
            skips.add(output.name, SkipReason.TOTAL_SIZE)
        else:
            kept.append(output)
            total_bytes += output.size_bytes
    return kept
