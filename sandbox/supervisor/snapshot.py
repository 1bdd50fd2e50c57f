"""Saves a workspace after a run, if the run has changed it. No other process may be alive."""

import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader

from .fingerprint import Kept, fingerprint, sha256
from .frames import CHUNK_BYTES, exactly
from .lean_typing import NamedTuple
from .saved_entries import END, FILE, FOLDER, LINK, MAX_ENTRIES, VARIABLES, Entry

UNCHANGED, CHANGED, TOO_LARGE, TOO_MANY, UNREADABLE = OUTCOMES = (
    "unchanged",
    "changed",
    "too_large",
    "too_many",
    "unreadable",
)

Open = Callable[[str], BufferedReader]
"""Opens a file of the workspace for reading, whatever its mode. Raises `OSError`."""


class TooManyEntriesError(Exception):
    """A workspace holds more than is saved."""


class Snapshot(NamedTuple):
    """What became of the workspace, and what is to be stored of it."""

    outcome: str
    """One of `OUTCOMES`."""
    size_bytes: int = 0
    """Of what is to be stored."""
    entries: tuple[Entry, ...] = ()


def survey(root: str) -> list[Entry]:
    """Return all that can be kept of a workspace, folders before what is in them.

    Links are not followed. Pipes and sockets are left out: nobody listens to them any more.

    Raises:
        TooManyEntriesError: There is more than `MAX_ENTRIES`.
        OSError: A part of it cannot be looked into: it is too deep, for instance.
    """
    found: list[Entry] = []
    folders = [""]
    while folders:
        for name, details in _listed(root, folders.pop()):
            entry = _entry(root, name, details)
            if entry is None:
                continue
            found.append(entry)
            if len(found) > MAX_ENTRIES:
                raise TooManyEntriesError
            if entry.kind == FOLDER:
                folders.append(name)
    return found


def _listed(root: str, folder: str) -> list[tuple[str, os.stat_result]]:
    path = os.path.join(root, folder) if folder else root
    if not os.access(path, os.R_OK | os.X_OK):
        os.chmod(path, 0o700)  # Ours: the program ran under our uid.
    with os.scandir(path) as entries:
        # Never more than one too many: a folder may hold a million.
        names = [entry.name for _, entry in zip(range(MAX_ENTRIES + 1), entries, strict=False)]
    return [
        (f"{folder}/{name}" if folder else name, os.lstat(os.path.join(path, name)))
        for name in sorted(names)
    ]


def _entry(root: str, name: str, details: os.stat_result) -> Entry | None:
    mode, mtime_ns = stat.S_IMODE(details.st_mode) & 0o777, max(0, details.st_mtime_ns)
    if stat.S_ISDIR(details.st_mode):
        return Entry(FOLDER, name, mode, mtime_ns)
    if stat.S_ISREG(details.st_mode):
        return Entry(FILE, name, mode, mtime_ns, details.st_size)
    if stat.S_ISLNK(details.st_mode):
        target = os.readlink(os.path.join(root, name))
        return Entry(LINK, name, mode, mtime_ns, target=target)
    return None


def variables_entry(path: str) -> Entry | None:
    """Return the entry for a Python session's variables, if there are any."""
    try:
        details = os.lstat(path)
    except OSError:
        return None
    regular = stat.S_ISREG(details.st_mode)
    return Entry(VARIABLES, "", size_bytes=details.st_size) if regular else None


def compared(
    entries: list[Entry], before: str | None, open_file: Open, *, max_bytes: int
) -> Snapshot:
    """Say whether a workspace is to be stored.

    Args:
        entries: All that is to be kept of it.
        before: Its fingerprint as it was restored; `None` where nothing was, which an empty
            workspace is the same as.
        open_file: Opens the content of an entry by its path; of the variables, by "".
        max_bytes: The most that is stored.
    """
    size_bytes = len(END) + sum(len(entry.header()) + entry.size_bytes for entry in entries)
    if size_bytes > max_bytes:
        return Snapshot(TOO_LARGE, size_bytes)
    try:
        now = fingerprint([Kept(entry, _digest(entry, open_file)) for entry in entries])
    except OSError:
        return Snapshot(UNREADABLE)
    if now == (fingerprint([]) if before is None else before):
        return Snapshot(UNCHANGED)
    return Snapshot(CHANGED, size_bytes, tuple(entries))


def _digest(entry: Entry, open_file: Open) -> str:
    if entry.kind not in {FILE, VARIABLES}:
        return ""
    digest = sha256()
    for piece in _content(entry, open_file):
        digest.update(piece)
    return digest.hexdigest()


def pieces(snapshot: Snapshot, open_file: Open) -> Iterator[bytes]:
    """Yield exactly `size_bytes` of what is to be stored, in pieces of at most `CHUNK_BYTES`.

    Raises:
        OSError: A file cannot be read any more.
    """
    held = bytearray()  # Headers are small: many of them make one piece.
    for entry in snapshot.entries:
        held += entry.header()
        for piece in _content(entry, open_file):
            held += piece
            while len(held) >= CHUNK_BYTES:
                yield bytes(held[:CHUNK_BYTES])
                del held[:CHUNK_BYTES]
    held += END
    for start in range(0, len(held), CHUNK_BYTES):
        yield bytes(held[start : start + CHUNK_BYTES])


def _content(entry: Entry, open_file: Open) -> Iterator[bytes]:
    if not entry.size_bytes:
        return
    with open_file(entry.path) as file:
        yield from exactly(file, entry.size_bytes, name=entry.path)
