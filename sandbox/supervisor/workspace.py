"""The workspace, `/mnt/data`: inputs are put in before the run, outputs found after it."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from typing import NamedTuple

from .job import Limits

WORKSPACE = "/mnt/data"

RESERVED_NAMES = frozenset({"_ptc_history.json"})
"""Never reported (librechat-contract 3.5)."""

MAX_SCANNED = 20_000
"""Directory entries looked at after a run. The workspace holds at most twice as many
(see the mount's `nr_inodes`); what lies beyond is reported as one skipped remainder, so
that collecting a million empty files cannot take the time limit's multiple."""

MAX_NAMED_SKIPS = 20
"""As many as the contract's `artifact_truncation` names."""


class Content(NamedTuple):
    """What an input held when it came."""

    size_bytes: int
    digest: str


class Output(NamedTuple):
    """A regular file that is to be kept."""

    name: str
    size_bytes: int


class Skipped(NamedTuple):
    """Something that is not kept, and why."""

    name: str
    reason: str


class Collection(NamedTuple):
    """What a run left behind."""

    outputs: list[Output]
    """New and changed files, by name."""
    unchanged: list[str]
    deleted: list[str]
    skipped: list[Skipped]
    skipped_count: int


class Workspace:
    """Knows what was put in, and so what is new, changed, unchanged or gone."""

    def __init__(self, root: str = WORKSPACE) -> None:
        self._root = root
        self._inputs: dict[str, Content] = {}
        self._entry: str | None = None
        self._input_folders: set[str] = set()

    def path(self, name: str) -> str:
        """Return where the file called `name` is."""
        return os.path.join(self._root, name)

    def begin_input(self, name: str) -> "InputFile":
        """Open the file `name` for the bytes of an input, making its folders.

        Raises:
            OSError: It cannot be made; `ENOSPC` where the workspace is full.
        """
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(self.path(folder), exist_ok=True)
        while folder:
            self._input_folders.add(folder)
            folder = os.path.dirname(folder)
        return InputFile(self, name)

    def remember(self, name: str, content: Content) -> None:
        """Note an input's content, to tell later whether the program changed it."""
        self._inputs[name] = content

    def write_entry(self, name: str, source: bytes) -> str:
        """Put the program's source beside the inputs; return its path.

        An input of the same name is the user's and stays: the source then goes to `/tmp`.

        Raises:
            OSError: It cannot be written.
        """
        path = self.path(name)
        if os.path.lexists(path):
            path = os.path.join("/tmp", name)  # noqa: S108 - a private tmpfs
        else:
            self._entry = name
            digest = hashlib.sha256(source).hexdigest()
            self.remember(name, Content(len(source), digest))
        with open(path, "wb") as file:
            file.write(source)
        return path

    def collect(self, limits: Limits) -> Collection:
        """Look through the workspace. No other process may be alive in the sandbox."""
        found = _Scan(self._root, limits, self._input_folders)
        outputs: list[Output] = []
        unchanged: list[str] = []
        for output in found.files():
            if self._is_unchanged(output):
                unchanged.append(output.name)
            else:
                outputs.append(output)
        entry = {self._entry} if self._entry else set[str]()
        inputs = self._inputs.keys() - entry
        present = {output.name for output in outputs} | set(unchanged)
        return Collection(
            outputs=found.within_limits(outputs),
            unchanged=sorted(set(unchanged) - entry),
            deleted=sorted(
                name for name in inputs - present if not os.path.lexists(self.path(name))
            ),
            skipped=found.skipped,
            skipped_count=found.skipped_count,
        )

    def _is_unchanged(self, output: Output) -> bool:
        """Compare by content, never by time stamp (librechat-contract 3.5).

        The size is looked at first: an input may have become a terabyte of nothing.
        """
        known = self._inputs.get(output.name)
        if known is None or known.size_bytes != output.size_bytes:
            return False
        with self.open_output(output.name) as file:
            return known.digest == hashlib.file_digest(file, "sha256").hexdigest()

    def open_output(self, name: str) -> BufferedReader:
        """Open a collected file; neither links nor pipes are followed or waited for.

        Raises:
            OSError: It cannot be read.
        """
        path = self.path(name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
        except PermissionError:
            os.chmod(path, 0o600)  # Ours: the program ran under our uid.
            descriptor = os.open(path, flags)
        return os.fdopen(descriptor, "rb")


class InputFile:
    """An input being written."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = name
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._file = open(workspace.path(name), "xb", buffering=0)  # noqa: SIM115 - closed by `finish`

    def write(self, data: bytes) -> None:
        """Append. Raises `OSError` (`ENOSPC`) where the workspace is full."""
        self._hash.update(data)
        self._size_bytes += len(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self) -> None:
        """Close the file, and note what it held."""
        self._file.close()
        content = Content(self._size_bytes, self._hash.hexdigest())
        self._workspace.remember(self._name, content)


def is_presentable(name: str) -> bool:
    """Whether a name can be shown and sent back without harm.

    Control characters forge log lines and headers, bidirectional overrides (U+202A-202E,
    U+2066-2069) disguise endings (CVE-2021-42574), lone surrogates are invalid UTF-8.
    """
    return not any(
        character == "\\"
        or unicodedata.category(character) in {"Cc", "Cs"}
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
        for character in name
    )


class _Scan:
    """One walk through the workspace, without following links and without recursion."""

    def __init__(self, root: str, limits: Limits, input_folders: set[str]) -> None:
        self._root = root
        self._limits = limits
        self._input_folders = input_folders
        self.skipped: list[Skipped] = []
        self.skipped_count = 0

    def skip(self, name: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < MAX_NAMED_SKIPS:
            # What cannot be shown is escaped: the name may hold anything but NUL and "/".
            printable = name.encode("utf-8", "backslashreplace").decode()
            self.skipped.append(Skipped(printable[: self._limits.path_chars], reason))

    def within_limits(self, outputs: list[Output]) -> list[Output]:
        """Return those that are kept, by name; the others are noted as skipped."""
        limits = self._limits
        kept: list[Output] = []
        total_bytes = 0
        for output in sorted(outputs):
            if len(kept) == limits.files:
                self.skip(output.name, f"more than {limits.files} files")
            elif total_bytes + output.size_bytes > limits.total_bytes:
                self.skip(output.name, f"more than {limits.total_bytes} bytes in all")
            else:
                kept.append(output)
                total_bytes += output.size_bytes
        return kept

    def files(self) -> Iterator[Output]:
        scanned = 0
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = self._entries(folder)
            except OSError as fault:
                self.skip(folder or ".", f"unreadable folder: {fault.strerror}")
                continue
            for entry in entries:
                scanned += 1
                if scanned > MAX_SCANNED:
                    self.skip(folder or ".", f"more than {MAX_SCANNED} entries")
                    return
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not self._ignored(name):
                        folders.append(name)
                elif (output := self._file(name, entry)) is not None:
                    yield output

    def _entries(self, folder: str) -> list["os.DirEntry[str]"]:
        path = os.path.join(self._root, folder) if folder else self._root
        if folder.count("/") >= self._limits.depth:
            self.skip(folder, f"deeper than {self._limits.depth} levels")
            return []
        if not os.access(path, os.R_OK | os.X_OK):
            os.chmod(path, 0o700)  # Ours: the program ran under our uid.
        with os.scandir(path) as entries:
            first = [entry for _, entry in zip(range(MAX_SCANNED + 1), entries, strict=False)]
        return sorted(first, key=lambda entry: entry.name)

    def _ignored(self, folder: str) -> bool:
        """Hidden folders hold caches and settings, unless an input lies in one (3.5)."""
        hidden = os.path.basename(folder).startswith(".")
        return hidden and folder not in self._input_folders

    def _file(self, name: str, entry: "os.DirEntry[str]") -> Output | None:
        if entry.name in RESERVED_NAMES:
            return None
        details = None
        with suppress(OSError):
            details = entry.stat(follow_symlinks=False)
        reason = self._reason_to_skip(name, details)
        if details is None or reason is not None:
            self.skip(name, reason or "unreadable")
            return None
        return Output(name, details.st_size)

    def _reason_to_skip(self, name: str, details: os.stat_result | None) -> str | None:
        limits = self._limits
        if details is None:
            return "unreadable"
        if not stat.S_ISREG(details.st_mode):
            return "not a regular file"
        if details.st_size > limits.file_bytes:
            return f"larger than {limits.file_bytes} bytes"
        if len(name) > limits.path_chars or name.count("/") >= limits.depth:
            return f"path over {limits.path_chars} characters or {limits.depth} levels"
        # The same rule as for the names of inputs, so that every output can be one.
        if not is_presentable(name):
            return "name with a backslash, a control character or invalid UTF-8"
        return None
