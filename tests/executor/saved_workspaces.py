"""Saved workspaces, as ours writes them and as nobody honest would."""

import json
import struct
from collections.abc import Sequence

from sandbox.supervisor.saved_entries import END, FILE, FOLDER, LINK, MAX_ENTRIES, Entry


def saved(*entries: tuple[Entry, bytes]) -> bytes:
    """Return the stream of these entries and their contents."""
    return b"".join(entry.header() + content for entry, content in entries) + END


def file(path: str, content: bytes = b"forged") -> tuple[Entry, bytes]:
    return Entry(FILE, path, 0o644, 0, len(content)), content


def folder(path: str) -> tuple[Entry, bytes]:
    return Entry(FOLDER, path, 0o755), b""


def link(path: str, target: str) -> tuple[Entry, bytes]:
    return Entry(LINK, path, 0o777, 0, target=target), b""


def header(fields: Sequence[object] | object) -> bytes:
    """Return a header with these fields, right or wrong."""
    text = json.dumps(fields).encode()
    return struct.pack("!I", len(text)) + text


HOSTILE = {
    "a path that leads up": saved(file("../tmp/forged")),
    "a path that leads up later": saved(folder("a"), file("a/../../tmp/forged")),
    "an absolute path": saved(file("/tmp/forged")),
    "a path of nothing": saved(file("")),
    "a path with NUL": saved(file("a\0b")),
    "a path that is too long": saved(file("a" * 5000)),
    "a file through a link": saved(link("tmp", "/tmp"), file("tmp/forged")),
    "a folder through a link": saved(link("tmp", "/tmp"), folder("tmp/forged")),
    "a link through a link": saved(link("t", "/tmp"), link("t/forged", "/etc/passwd")),
    "a file over a link": saved(link("f", "/tmp/forged"), file("f")),
    "a file twice": saved(file("a"), file("a")),
    "a file in a file": saved(file("a"), file("a/b")),
    "a device": header(["device", "a", 0o644, 0, 0, ""]) + END,
    "a setuid program": header(["file", "a", 0o4755, 0, 0, ""]) + END,
    "a size below nothing": header(["file", "a", 0o644, 0, -1, ""]) + END,
    "a size that is none": header(["file", "a", 0o644, 0, "1", ""]) + END,
    "more than follows": header(["file", "a", 0o644, 0, 2**50, ""]) + b"x",
    "less than follows": saved(file("a")) + b"x",
    "a header without end": struct.pack("!I", 2**32 - 1) + b"x" * 1000,
    "a header that breaks off": struct.pack("!I", 100) + b"[",
    "no list": header({"kind": "file"}) + END,
    "nesting": struct.pack("!I", 60_000) + b"[" * 60_000 + END,
    "too many entries": header(["folder", "a", 0o755, 0, 0, ""])
    + b"".join(header(["folder", f"a/{n}", 0o755, 0, 0, ""]) for n in range(MAX_ENTRIES + 2))
    + END,
    "nothing at all": b"",
}
"""By what is wrong with them."""
