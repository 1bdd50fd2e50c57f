"""Puts a saved workspace back, before the run's inputs, while no program runs."""

import errno
import os
import shutil

from .fingerprint import Content, Kept, fingerprint, sha256
from .lean_typing import NamedTuple
from .saved_entries import (
    FILE,
    FOLDER,
    VARIABLES,
    Entry,
    EntryDecoder,
    SavedWorkspaceError,
)


class RestoredFile(NamedTuple):
    """A file as it was put back."""

    content: Content
    mode: int
    mtime_ns: int


class Restored(NamedTuple):
    """What was put back."""

    files: dict[str, RestoredFile]
    folders: frozenset[str]
    fingerprint: str


class Restoration:
    """Takes a saved workspace piece by piece.

    It writes below `root` alone, into an empty folder: only folders and files are made at
    first, each new and never over anything, and links at the very end. Whatever is made lies
    in a folder that was made before: so no path leads through a link, whatever the links are.
    """

    def __init__(self, root: str, variables_path: str | None) -> None:
        """Begin.

        Args:
            root: The workspace.
            variables_path: Where a Python session's variables go; `None` leaves them out.
        """
        self._root = root
        self._variables_path = variables_path
        self._decoder = EntryDecoder()
        self._kept: list[Kept] = []
        self._links: list[Entry] = []
        self._folders = {""}
        self._open: _OpenFile | None = None
        self.problem: str | None = None
        """Why nothing was put back: these bytes are no saved workspace."""

    def write(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            OSError: There is no room for it (`ENOSPC`).
        """
        if self.problem is not None:
            return
        try:
            for found in self._decoder.feed(data):
                if isinstance(found, Entry):
                    self._close()
                    self._begin(found)
                elif self._open is not None:
                    self._open.write(found)
        except (SavedWorkspaceError, OSError) as fault:
            self._give_up(fault)

    def finish(self) -> Restored | None:
        """Return what was put back; `None` where that is nothing at all, and the folder empty.

        Raises:
            OSError: There is no room for it (`ENOSPC`).
        """
        if self.problem is None:
            try:
                self._close()
                self._decoder.require_end()
                self._make_links()
                self._finish_folders()
            except (SavedWorkspaceError, OSError) as fault:
                self._give_up(fault)
        if self.problem is not None:
            _empty(self._root)
            return None
        return Restored(
            files={
                entry.path: RestoredFile(
                    Content(entry.size_bytes, digest), entry.mode, entry.mtime_ns
                )
                for entry, digest in self._kept
                if entry.kind == FILE
            },
            folders=frozenset(entry.path for entry, _ in self._kept if entry.kind == FOLDER),
            fingerprint=fingerprint(self._kept),
        )

    def _give_up(self, fault: Exception) -> None:
        if self._open is not None:
            self._open.abandon()
            self._open = None
        if isinstance(fault, OSError) and fault.errno == errno.ENOSPC:
            raise fault
        # Such as a file in a folder that was never made: nobody honest has saved that.
        self.problem = str(fault) or type(fault).__name__

    def _begin(self, entry: Entry) -> None:
        if os.path.dirname(entry.path) not in self._folders:
            raise SavedWorkspaceError("something lies in no folder")
        path = os.path.join(self._root, entry.path)
        match entry.kind:
            case "folder":
                os.mkdir(path, 0o700)
                self._folders.add(entry.path)
                self._kept.append(Kept(entry))
            case "link":
                self._links.append(entry)
            case "file":
                self._open = _OpenFile(entry, path)
            case _ if self._variables_path is not None:
                self._open = _OpenFile(entry, self._variables_path)
            case _:
                pass

    def _close(self) -> None:
        if self._open is not None:
            self._kept.append(self._open.finish())
            self._open = None

    def _make_links(self) -> None:
        for entry in self._links:
            os.symlink(entry.target, os.path.join(self._root, entry.path))
            self._kept.append(Kept(entry))
        for entry in self._links:
            path = os.path.join(self._root, entry.path)
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)

    def _finish_folders(self) -> None:
        """Give folders their modes and times, the deepest first: one may allow no entry."""
        folders = [entry for entry, _ in self._kept if entry.kind == FOLDER]
        for entry in sorted(folders, key=lambda folder: folder.path, reverse=True):
            path = os.path.join(self._root, entry.path)
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
            os.chmod(path, entry.mode)


class _OpenFile:
    """A file being written, always a new one."""

    def __init__(self, entry: Entry, path: str) -> None:
        self._entry = entry
        self._hash = sha256()
        self._written = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Append."""
        self._hash.update(data)
        self._written += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def finish(self) -> Kept:
        """Close it, complete."""
        entry = self._entry
        if self._written != entry.size_bytes:
            raise SavedWorkspaceError("a file breaks off")
        if entry.kind != VARIABLES:
            os.fchmod(self._descriptor, entry.mode)
            os.utime(self._descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        os.close(self._descriptor)
        return Kept(entry, self._hash.hexdigest())

    def abandon(self) -> None:
        """Close it as it is."""
        os.close(self._descriptor)


def _empty(root: str) -> None:
    with os.scandir(root) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
