"""The workspace, `/mnt/data`: inputs are put in before the run, outputs found after it."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader

from .fingerprint import Content, sha256
from .frames import CHUNK_BYTES, exactly
from .input_file import InputFile, make_way
from .job import Limits
from .lean_typing import TYPE_CHECKING, NamedTuple
from .scan import (
    MARKER,
    Output,
    Scan,
    is_too_long,
    reason_to_skip,
    sendable,
    within_limits,
)
from .scan import is_marker as is_marker  # noqa: PLC0414 - passed on
from .skips import Skipped, SkipReason, Skips, is_presentable

if TYPE_CHECKING:
    from .restore import Restored

WORKSPACE = "/mnt/data"


class Collection(NamedTuple):
    """What a run left behind."""

    outputs: list[Output]
    """New and changed files, by name; then markers of new empty folders, which are not on
    disk. All can be read with `Workspace.read`."""
    unchanged: list[str]
    deleted: list[str]
    skips: Skips

    @property
    def skipped(self) -> list[Skipped]:
        """Those of the others that are named."""
        return self.skips.named

    @property
    def skipped_count(self) -> int:
        """How many others there are."""
        return self.skips.total


class Workspace:
    """Knows what was put in, and so what is new, changed, unchanged or gone."""

    def __init__(self, root: str = WORKSPACE) -> None:
        self._root = root
        self._inputs: dict[str, Content] = {}
        self._entry: str | None = None
        self._source = b""
        self._input_folders: set[str] = set()
        self._markers: set[str] = set()
        self.restored: Restored | None = None
        """What an earlier run left here, before the inputs came."""

    def path(self, name: str) -> str:
        """Return where the file called `name` is."""
        return os.path.join(self._root, name)

    def begin_input(self, name: str, *, read_only: bool = False) -> InputFile:
        """Open the file `name` for the bytes of an input, making its folders.

        With `read_only` a program cannot open it for writing, as long as it does not change
        the mode (librechat-contract 3.5): it is told of its mistake where it makes it.

        The marker of an empty folder makes the folder and no file, as long as it is empty
        itself: the program shall find the folder as it was left.

        Of what was restored, the input takes the place.

        Raises:
            OSError: It cannot be made; `ENOSPC` where the workspace is full.
        """
        if self.restored is not None:
            make_way(self._root, name)
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(self.path(folder), exist_ok=True)
        while folder:
            self._input_folders.add(folder)
            folder = os.path.dirname(folder)
        return InputFile(self, name, read_only=read_only)

    def remember(self, name: str, content: Content) -> None:
        """Note an input's content, to tell later whether the program changed it."""
        self._inputs[name] = content

    def remember_marker(self, name: str) -> None:
        """Note an input that stands for a folder."""
        self._markers.add(name)

    def write_entry(self, name: str, source: bytes) -> str:
        """Put the program's source beside the inputs; return its path.

        An input of the same name is the user's and stays: the source then goes to `/tmp`. So it
        does where an earlier run has left no room, for else nobody could ever make any.

        Raises:
            OSError: It cannot be written.
        """
        path = self.path(name)
        if not os.path.lexists(path):
            try:
                with open(path, "wb") as file:
                    file.write(source)
            except OSError:
                if self.restored is None:
                    raise
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            else:
                self._entry = name
                self._source = source
                return path
        path = os.path.join("/tmp", name)  # noqa: S108 - a private tmpfs
        with open(path, "wb") as file:
            file.write(source)
        return path

    def collect(self, limits: Limits) -> Collection:
        """Look through the workspace. No other process may be alive in the sandbox."""
        skips = Skips()
        scan = Scan(self._root, limits, self._input_folders, skips)
        present: set[str] = set()
        wanted: list[Output] = []
        unchanged = {name for name in self._markers if not self._is_gone(name)}
        for found in scan.files():
            present.add(found.name)
            if self._is_as_restored(found):
                continue  # A client was told of it when it was new.
            if self._is_unchanged(found):
                unchanged.add(found.name)
            elif (reason := reason_to_skip(found, limits)) is None:
                unchanged.discard(found.name)
                wanted.append(found)
            else:
                unchanged.discard(found.name)
                skips.add(sendable(found.name, limits), reason)
        kept = within_limits(wanted, limits, skips)
        entry = {self._entry} if self._entry else set[str]()
        inputs = (self._inputs.keys() | self._markers) - entry - present
        return Collection(
            outputs=kept + self._new_markers(scan.empty_folders, limits, len(kept), skips),
            unchanged=sorted(unchanged - entry),
            deleted=sorted(name for name in inputs if self._is_gone(name)),
            skips=skips,
        )

    def _new_markers(
        self, folders: list[str], limits: Limits, taken: int, skips: Skips
    ) -> list[Output]:
        """Return markers for the folders that have none, as far as there is room."""
        markers: list[Output] = []
        for folder in sorted(folders):
            name = f"{folder}/{MARKER}"
            if name in self._markers or (self.restored and folder in self.restored.folders):
                continue
            if (
                taken + len(markers) == limits.files
                or is_too_long(name, limits)
                or not is_presentable(name)
            ):
                skips.add(sendable(f"{folder}/", limits), SkipReason.EMPTY_DIRECTORY)
            else:
                markers.append(Output(name, 0))
        return markers

    def _is_gone(self, name: str) -> bool:
        """Whether an input is no regular file any more, nor a marker's folder a folder.

        Every step of the path is looked at by itself: a link on the way leads elsewhere.
        """
        *folders, last = name.split("/")
        steps: list[tuple[str, Callable[[int], bool]]] = [
            (folder, stat.S_ISDIR) for folder in folders
        ]
        if name not in self._markers:
            steps.append((last, stat.S_ISREG))
        path = self._root
        for step, is_as_it_was in steps:
            path = os.path.join(path, step)
            try:
                mode = os.lstat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return True
            except OSError:
                return False  # It cannot be told.
            if not is_as_it_was(mode):
                return True
        return False

    def _is_unchanged(self, output: Output) -> bool:
        """Compare by content, never by time stamp (librechat-contract 3.5).

        The size is looked at first: an input may have become a terabyte of nothing.
        """
        if output.name == self._entry:
            return self._is_the_source(output)
        return self._holds(output, self._inputs.get(output.name))

    def _is_as_restored(self, output: Output) -> bool:
        """Whether it is no input, and as an earlier run has left it."""
        if self.restored is None or output.name in self._inputs:
            return False
        restored = self.restored.files.get(output.name)
        return restored is not None and self._holds(output, restored.content)

    def _holds(self, output: Output, known: Content | None) -> bool:
        if known is None or known.size_bytes != output.size_bytes:
            return False
        try:
            with self.open_output(output.name) as file:
                digest = sha256()
                while data := file.read(CHUNK_BYTES):
                    digest.update(data)
        except OSError:
            return False  # Told as unreadable where its bytes are wanted.
        return known.digest == digest.hexdigest()

    def is_own_source(self, name: str, size_bytes: int) -> bool:
        """Whether a file is the program itself, which is no part of what it leaves."""
        return name == self._entry and self._is_the_source(Output(name, size_bytes))

    def _is_the_source(self, output: Output) -> bool:
        if output.size_bytes != len(self._source):
            return False
        try:
            with self.open_output(output.name) as file:
                return file.read() == self._source
        except OSError:
            return False

    def read(self, output: Output) -> Iterator[bytes]:
        """Yield exactly the bytes of an output, in pieces of at most `CHUNK_BYTES`.

        Raises:
            OSError: It cannot be read; before the first piece, if it cannot be opened.
        """
        if not output.size_bytes:
            return  # It may be a marker.
        with self.open_output(output.name) as file:
            yield from exactly(file, output.size_bytes, name=output.name)

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
