"""What a saved workspace consists of: a stream of entries, each a header and a content.

No tar: a reader of ours has no extensions, no sparse files, no devices and no compression to
be cheated with, and takes 2 ms less to import. What is written here comes back from the same
user's sandbox at best and from a hostile one at worst, so every header is checked.
"""

import json
import struct
from collections.abc import Iterator

from .lean_typing import Any, NamedTuple

MAX_ENTRIES = 10_000
"""Files, folders and links of one saved workspace. The workspace itself holds twice as many:
the next run shall have room to remove some."""

MAX_HEADER_BYTES = 64 * 1024
"""A path and a link's target may have 4096 bytes each, and a byte 6 in JSON."""

MAX_PATH_BYTES = 4096
MAX_MTIME_NS = 2**62

_LENGTH = struct.Struct("!I")
END = _LENGTH.pack(0)

FOLDER, FILE, LINK, VARIABLES = KINDS = ("folder", "file", "link", "variables")


class SavedWorkspaceError(Exception):
    """The bytes are no saved workspace, or one that nobody honest has saved."""


class Entry(NamedTuple):
    """One thing of a workspace."""

    kind: str
    """One of `KINDS`. There is at most one of `VARIABLES`, the last one; it has no path."""
    path: str
    """Relative, `/`-separated; bytes that are no UTF-8 as lone surrogates."""
    mode: int = 0
    """Permissions alone: 0 to 0o777."""
    mtime_ns: int = 0
    size_bytes: int = 0
    """Of the content that follows."""
    target: str = ""
    """Of a link."""

    def header(self) -> bytes:
        """Return what goes before the content."""
        text = json.dumps(self, separators=(",", ":")).encode()
        return _LENGTH.pack(len(text)) + text


class EntryDecoder:
    """Turns pieces of a stream into entries and pieces of their contents."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        self._count = 0
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Entry | bytes]:
        """Take `data`; yield entries, and after each the pieces of its content.

        Raises:
            SavedWorkspaceError: These are none.
        """
        self._buffer += data
        while self._buffer:
            if self._ended:
                raise SavedWorkspaceError("something follows its end")
            if self._left:
                piece = bytes(self._buffer[: self._left])
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                yield piece
            elif (entry := self._next_entry()) is not None:
                self._left = entry.size_bytes
                yield entry
            elif not self._ended:
                return

    def require_end(self) -> None:
        """Make sure that the stream is complete. Raises `SavedWorkspaceError`."""
        if not self._ended:
            raise SavedWorkspaceError("it breaks off")

    def _next_entry(self) -> Entry | None:
        """Take the next header off the buffer, if it is complete."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_HEADER_BYTES:
            raise SavedWorkspaceError("a header is too long")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        text = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        if not text:
            self._ended = True
            return None
        self._count += 1
        if self._count > MAX_ENTRIES + 1:
            raise SavedWorkspaceError("it has too many entries")
        return _checked(text)


def _checked(text: bytes) -> Entry:
    try:
        entry = Entry(*json.loads(text))
    except (ValueError, TypeError, RecursionError) as fault:
        raise SavedWorkspaceError("a header cannot be read") from fault
    if (
        not all(_is_text(field) for field in (entry.kind, entry.path, entry.target))
        or not _is_figure(entry.mode, 0o777)
        or not _is_figure(entry.mtime_ns, MAX_MTIME_NS)
        or not _is_figure(entry.size_bytes, MAX_MTIME_NS)
        or entry.kind not in KINDS
        or (entry.size_bytes and entry.kind in {FOLDER, LINK})
        or not _is_path(entry)
    ):
        raise SavedWorkspaceError("a header is none that we write")
    return entry


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_figure(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_path(entry: Entry) -> bool:
    """Whether it leads to a place below the workspace, as far as no link is on its way."""
    try:
        long = any(
            len(os_bytes(text)) > MAX_PATH_BYTES or "\0" in text
            for text in (entry.path, entry.target)
        )
    except UnicodeEncodeError:
        return False
    if entry.kind == VARIABLES:
        return not entry.path
    return not long and not {"", ".", ".."} & set(entry.path.split("/"))


def os_bytes(text: str) -> bytes:
    """Return a path as the kernel has it. Raises `UnicodeEncodeError` for what is none."""
    return text.encode("utf-8", "surrogateescape")
