"""Which version of the supervisor a sandbox image has, and which one is expected of it.

An image is built on one machine and used on many: one that was left behind when the service was
renewed must be told by name, not found out by programs that fail. This module needs the
standard library only, since images are built before there is anything else.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

LABEL = "com.code-command.supervisor"
"""On every image that `./code-command build` makes."""

SUPERVISOR = Path(__file__).resolve().parent.parent / "sandbox" / "supervisor"

SHOWN_CHARS = 12


def supervisor_digest(folder: Path = SUPERVISOR) -> str:
    """Return a digest over the names and contents of the supervisor's modules.

    Raises:
        OSError: They cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def mismatch(image: str, labels: Mapping[str, str], expected: str) -> str:
    """Say how an image is not the one that is expected; empty if it is.

    Args:
        image: Its name.
        labels: What it says of itself.
        expected: What `supervisor_digest` is where somebody expects it.
    """
    version = labels.get(LABEL)
    if version == expected:
        return ""
    has = f"is of version {version[:SHOWN_CHARS]}" if version else "does not say its version"
    return (
        f"sandbox image {image} {has}, and {expected[:SHOWN_CHARS]} is expected: build it here"
        " (./code-command build), or pull the image of this release"
    )
