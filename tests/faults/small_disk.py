"""A disk of its own for a service, and a way to fill it."""

import contextlib
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

PIECE_BYTES = 65_536


@contextmanager
def small_disk(folder: Path, *, size_bytes: int) -> Generator[Path, None, None]:
    """Give a folder on a disk of its own, in memory. Needs root."""
    folder.mkdir()
    options = f"size={size_bytes},mode=0700"
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.fail(f"this test needs a small disk, and may not mount one: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(("umount", str(folder)), check=True)


def fill_disk(folder: Path) -> Path:
    """Take all the space that is left, as another program might; return what did."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PIECE_BYTES))
    return filler
