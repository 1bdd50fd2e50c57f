"""An input on its way into the workspace, and the room that it takes there."""

import os
import stat
from io import FileIO

from .fingerprint import Content, sha256
from .lean_typing import TYPE_CHECKING
from .scan import is_marker

if TYPE_CHECKING:
    from .workspace import Workspace


def make_way(root: str, name: str) -> None:
    """Remove what keeps `name` from being a new file: what a workspace had in its place.

    A link on its way is removed, not followed: it may lead out of the workspace.
    """
    path = root
    *folders, last = name.split("/")
    for step in folders:
        path = os.path.join(path, step)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            os.unlink(path)
            return
        if not os.access(path, os.W_OK | os.X_OK):
            os.chmod(path, stat.S_IMODE(mode) | 0o700)
    path = os.path.join(path, last)
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            if is_marker(name, 0):
                return
            import shutil  # noqa: PLC0415 - few inputs come where a folder was

            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


class InputFile:
    """An input being written."""

    def __init__(self, workspace: "Workspace", name: str, *, read_only: bool) -> None:
        self._workspace = workspace
        self._name = name
        self._read_only = read_only
        self._hash = sha256()
        self._size_bytes = 0
        self._file = None if is_marker(name, 0) else self._open()

    def _open(self) -> FileIO:
        return open(self._workspace.path(self._name), "xb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append. Raises `OSError` (`ENOSPC`) where the workspace is full."""
        if not data:
            return
        self._hash.update(data)
        self._size_bytes += len(data)
        if self._file is None:
            self._file = self._open()  # No marker: those are empty.
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self) -> None:
        """Close the file, and note what it held."""
        content = Content(self._size_bytes, self._hash.hexdigest())
        self._workspace.remember(self._name, content)
        if self._file is None:
            self._workspace.remember_marker(self._name)
        else:
            self._be_as_it_was(self._file.fileno(), content)
            if self._read_only:
                os.fchmod(self._file.fileno(), 0o444)
            self._file.close()

    def _be_as_it_was(self, descriptor: int, content: Content) -> None:
        """An input that comes once more is as old as it was: it changes no saved workspace."""
        restored = self._workspace.restored
        file = None if restored is None else restored.files.get(self._name)
        if file is not None and file.content == content:
            os.fchmod(descriptor, file.mode)
            os.utime(descriptor, ns=(file.mtime_ns, file.mtime_ns))
