"""Finds the server programs that came as wheels."""

from importlib import metadata
from pathlib import Path

from infra.local.errors import LocalError


def program_of(distribution: str, name: str) -> Path:
    """Return the program called `name` that the installed `distribution` brought.

    Raises:
        LocalError: It is not installed, or has no such program for this machine.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate())).resolve()
    raise LocalError(
        f"{name} (from {distribution}) is not installed; remove the checkout's .venv and start "
        "again, or set S3_ENDPOINT_URL and BROKER_URL to servers of your own"
    )
