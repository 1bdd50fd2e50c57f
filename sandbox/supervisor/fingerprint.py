"""Whether a workspace is as it was saved: one digest of all that is kept of it."""

import json

from .lean_typing import Any, NamedTuple
from .saved_entries import FILE, Entry


class Content(NamedTuple):
    """What a file holds."""

    size_bytes: int
    digest: str


class Kept(NamedTuple):
    """One entry, and its content."""

    entry: Entry
    digest: str = ""


def sha256() -> Any:
    """Return a new digest."""
    import hashlib  # noqa: PLC0415 - 3 ms for OpenSSL, which runs without inputs need not pay

    return hashlib.sha256()


def fingerprint(kept: list[Kept]) -> str:
    """Return the same for the same workspaces, in whatever order their entries come.

    When a folder or a link was changed is left out: each run makes its program's file in the
    workspace, and an input that comes again is written again.
    """
    whole = sha256()
    for entry, digest in sorted(kept):
        mtime_ns = entry.mtime_ns if entry.kind == FILE else 0
        whole.update(json.dumps([*entry._replace(mtime_ns=mtime_ns), digest]).encode() + b"\n")
    return whole.hexdigest()
