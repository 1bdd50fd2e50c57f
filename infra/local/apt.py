"""Debian's packages, where we may install them."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from infra.local.console import Console
from infra.local.errors import LocalError

_TAIL_LINES = 15


def can_install() -> bool:
    """Say whether this is Debian or a child of it, and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_command(packages: Sequence[str]) -> str:
    """Return what a person would type to install `packages`."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"


def install(packages: Sequence[str], console: Console) -> None:
    """Install `packages` from the machine's own package sources.

    Raises:
        LocalError: apt-get failed; the end of what it said is in the message.
    """
    console.say(f"installing {', '.join(packages)} with apt-get")
    # Lists that cannot be renewed may still do: a site's mirror is often there only in part.
    _run(("apt-get", "update"), console, may_fail=True)
    _run(("apt-get", "install", "-y", *packages), console)


def is_available(package: str) -> bool:
    """Say whether the package sources offer `package` (after an `install`'s update)."""
    shown = subprocess.run(
        ("apt-cache", "policy", package),
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    return "Candidate:" in shown.stdout and "Candidate: (none)" not in shown.stdout


def _run(command: tuple[str, ...], console: Console, *, may_fail: bool = False) -> None:
    said: list[str] = []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            said.append(line.rstrip())
            console.status(f"{command[0]} {command[1]}: {said[-1]}")
    if process.returncode != 0 and not may_fail:
        tail = "\n".join(said[-_TAIL_LINES:])
        raise LocalError(f"`{' '.join(command)}` failed:\n{tail}")
