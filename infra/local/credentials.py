"""Secrets that are made at the first start and kept, one a file, mode 0600."""

import secrets
from collections.abc import Callable
from pathlib import Path

from infra.local.work_dir import WorkDir, write_private

API_KEY = "api-key"


def random_key() -> str:
    """Return 160 random bits as 40 hexadecimal digits.

    Nothing in them needs quoting in a URL, a shell or a configuration file, and MinIO takes
    no longer ones.
    """
    return secrets.token_hex(20)


def kept_secret(work_dir: WorkDir, name: str, make: Callable[[], str] = random_key) -> str:
    """Return the secret called `name`, made now if there is none.

    An empty file counts as none. A file that others may read is closed to them again.
    """
    path = secret_path(work_dir, name)
    if path.exists():
        path.chmod(0o600)
        kept = path.read_text(encoding="utf-8").strip()
        if kept:
            return kept
    secret = make()
    write_private(path, f"{secret}\n")
    return secret


def secret_path(work_dir: WorkDir, name: str) -> Path:
    """Where the secret called `name` is kept."""
    return work_dir.secrets / name
