"""What the sandbox image is made of, as one short text: has anything changed since?"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

SOURCES = (
    "sandbox/Dockerfile",
    "sandbox/packages",
    "sandbox/image",
    "sandbox/supervisor",
)
"""Files and folders below the repository's root. `.dockerignore` lets through the same."""


def source_digest(root: Path, languages: str = "all") -> str:
    """Return a digest over the names, contents and executable bits of all sources.

    Byte code is left out, as it is from the image: an interpreter that happens to have run
    here is no reason to build again.

    Args:
        root: The repository.
        languages: The build argument `LANGUAGES`.

    Raises:
        OSError: A source is missing or cannot be read.
    """
    digest = hashlib.sha256(f"{languages}\0".encode())
    for source in SOURCES:
        for path in _files(root / source):
            content = path.read_bytes()
            kind = "x" if os.access(path, os.X_OK) else "-"
            name = path.relative_to(root).as_posix()
            digest.update(f"{name}\0{kind}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path
