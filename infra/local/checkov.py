"""checkov, which judges Terraform files, in an environment of its own.

It cannot share ours: its parser is called `hcl2` as another package's is, and it is held to an
old boto3.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.config import CHECKOUT
from infra.local.errors import LocalError

REQUIREMENTS = CHECKOUT / "requirements" / "checkov.txt"
INSTALL_DEADLINE_S = 600.0
_TAIL_LINES = 15


def ensure_checkov() -> Path:
    """Install what requirements/checkov.txt has, unless it is there; return the command.

    Safe to repeat, also from several processes at once: about 40 s and 300 MB the first time.

    Raises:
        LocalError: pip failed; the end of what it said is in the message.
    """
    home = Path(sys.prefix) / "checkov"
    folder = home / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in home.iterdir():
            if old.is_dir() and old != folder:
                shutil.rmtree(old)
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-I", "-m", "venv", str(folder))
            options = ("--quiet", "--no-input", "--require-hashes", "--no-deps")
            pip = (str(folder / "bin" / "python"), "-m", "pip", "install", *options)
            _run(*pip, "-r", str(REQUIREMENTS))
            (folder / "installed").touch()
    return folder / "bin" / "checkov"


def _run(*command: str) -> None:
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise LocalError(f"`{' '.join(command[:5])}` took too long") from fault
    if done.returncode != 0:
        tail = "\n".join(f"{done.stdout}{done.stderr}".splitlines()[-_TAIL_LINES:])
        raise LocalError(f"checkov could not be installed:\n{tail}")


if __name__ == "__main__":
    try:
        ensure_checkov()
    except LocalError as fault:
        sys.exit(str(fault))
