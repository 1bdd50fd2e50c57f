"""`CODE_WORK_DIR`: where one machine keeps its data, its secrets and its logs.

* `s3/`: the object store's files, the only thing here that cannot be made again
* `secrets/`: keys, made at the first start, one a file, mode 0600
* `broker/`: the broker's folder; it holds nothing that may not be lost
* `logs/`: one file a process, the previous start's beside it
* `sbom/`: what sandbox images hold, one file an image
* `ports.json`: which ports the servers took
* `executor-id`: whose containers are ours, also after a crash
* `up.lock`: held by the running `up`, whose process id it names
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import AlreadyRunningError, BadSettingError


@dataclass(frozen=True, slots=True)
class WorkDir:
    """The folder and the places in it."""

    path: Path

    @property
    def storage(self) -> Path:
        """Where the object store keeps its files."""
        return self.path / "s3"

    @property
    def secrets(self) -> Path:
        """Where the keys are, one a file."""
        return self.path / "secrets"

    @property
    def broker(self) -> Path:
        """The broker's folder."""
        return self.path / "broker"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.path / "logs"

    @property
    def ports(self) -> Path:
        """Which ports the servers took."""
        return self.path / "ports.json"

    def log(self, name: str) -> Path:
        """Where the process called `name` writes."""
        return self.logs / f"{name}.log"

    def executor_id(self) -> str:
        """Return the id that marks this installation's containers; made once."""
        path = self.path / "executor-id"
        if not path.exists():
            write_private(path, f"local-{secrets.token_hex(8)}\n")
        return path.read_text(encoding="ascii").strip()


def open_work_dir(path: Path) -> WorkDir:
    """Return the work folder at `path`, made if need be.

    Raises:
        BadSettingError: It cannot be made, is no folder, or is another user's. The default
            lies in `/tmp`, where anybody could have put a folder or a link of theirs first
            to read our keys.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link counts as its maker's: root's and our own may be followed.
        if path.is_symlink() and path.lstat().st_uid in {0, os.geteuid()}:
            path = path.resolve(strict=True)
        found = path.lstat()
    except OSError as fault:
        raise BadSettingError(
            f"CODE_WORK_DIR {path} cannot be made: {fault.strerror}. Name a folder that you may"
            ' write in: CODE_WORK_DIR="$HOME/code-command"'
        ) from fault
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise BadSettingError(
            f"CODE_WORK_DIR {path} belongs to another user (id {found.st_uid}); "
            "name a folder of your own"
        )
    path.chmod(stat.S_IMODE(found.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    work_dir = WorkDir(path)
    for folder in (work_dir.storage, work_dir.secrets, work_dir.broker, work_dir.logs):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
    return work_dir


@contextmanager
def held(work_dir: WorkDir) -> Generator[None, None, None]:
    """Hold the folder: one `up` at a time. The kernel lets go if we are killed.

    Raises:
        AlreadyRunningError: Another process holds it.
    """
    path = work_dir.path / "up.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            holder = path.read_text(encoding="ascii").strip() or "unknown"
            raise AlreadyRunningError(
                f"already running with {work_dir.path} (process {holder}); stop that one, "
                "or set another CODE_WORK_DIR and --port for a second one"
            ) from fault
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: whole, or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
