"""What the host itself says of sandboxes without a container engine, for tests."""

from contextlib import suppress
from pathlib import Path

HOME = "/run/code-command/executor-{owner}"
BUNDLES = f"{HOME}/bundles"
HIERARCHIES = Path("/sys/fs/cgroup")


def boxes_of(owner: str) -> set[str]:
    """Names of the sandboxes that are there, or of which something is."""
    try:
        known = {folder.name for folder in Path(BUNDLES.format(owner=owner)).iterdir()}
    except FileNotFoundError:
        known = set()
    return known | {folder.name for folder in cgroups_of(owner)}


def shared_folders_of(owner: str) -> set[Path]:
    """Return the folders with shared files that are there for an executor's sandboxes."""
    return set(Path(HOME.format(owner=owner)).glob("code-command-shared-*"))


def cgroups_of(owner: str, name: str = "*") -> list[Path]:
    """Return the control groups of an executor's sandboxes, in whatever hierarchy."""
    below = f"code-command/executor-{owner}/{name}"
    found = [*HIERARCHIES.glob(below), *HIERARCHIES.glob(f"*/{below}")]
    return [folder for folder in found if folder.is_dir()]


def processes_of(owner: str, name: str = "*") -> set[int]:
    """Return the process ids of what runs in them."""
    found: set[int] = set()
    for folder in cgroups_of(owner, name):
        with suppress(OSError):  # It may be gone since it was listed.
            found.update(map(int, (folder / "cgroup.procs").read_text().split()))
    return found


def limit_bytes(owner: str, name: str) -> int:
    """Return how much memory a sandbox may use, as the kernel has it."""
    for folder in cgroups_of(owner, name):
        for file in ("memory.max", "memory.limit_in_bytes"):
            if (folder / file).exists():
                return int((folder / file).read_text())
    raise LookupError(f"{name} has no limit")


def has_ended(pid: int) -> bool:
    """Whether no process has this id any more."""
    return not Path(f"/proc/{pid}").exists()


def user_of(pid: int) -> int:
    """Return the user of a process, as this host has it."""
    return Path(f"/proc/{pid}").stat().st_uid


def program_of(pid: int) -> str:
    """Return the name of what a process runs; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
