"""Tools that are installed beside our Python packages, by what is locked of them."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.local.errors import LocalError

_TAIL_LINES = 15


@contextmanager
def tool_folder(folder: Path) -> Generator[None, None, None]:
    """Have `folder` for oneself while the block lasts, among processes that do the same.

    What is beside it is of earlier lock files, and is removed. The folder itself is not made.
    """
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in folder.parent.iterdir():
            if old.is_dir() and old != folder:
                shutil.rmtree(old)
        yield


def folder_for(tool: str, digest: str) -> Path:
    """Return where a tool is whose lock files have this digest."""
    return Path(sys.prefix) / tool / digest[:16]


def install(
    what: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    deadline_s: float,
    cwd: Path | None = None,
) -> None:
    """Run what installs `what`.

    Raises:
        LocalError: It failed, or took longer; the end of what it said is in the message.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise LocalError(f"{what} could not be installed within {deadline_s:.0f} s") from fault
    if done.returncode != 0:
        tail = "\n".join(f"{done.stdout}{done.stderr}".splitlines()[-_TAIL_LINES:])
        raise LocalError(f"{what} could not be installed:\n{tail}")
