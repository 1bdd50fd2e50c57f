"""checkov, which judges Terraform files, in an environment of its own.

It cannot share ours: its parser is called `hcl2` as another package's is, and it is held to an
old boto3.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from infra.local.config import CHECKOUT
from infra.local.errors import LocalError
from infra.local.tool_folder import folder_for, install, tool_folder

REQUIREMENTS = CHECKOUT / "requirements" / "checkov.txt"
INSTALL_DEADLINE_S = 600.0


def ensure_checkov() -> Path:
    """Install what requirements/checkov.txt has, unless it is there; return the command.

    Safe to repeat, also from several processes at once: about 40 s and 300 MB the first time.

    Raises:
        LocalError: pip failed; the end of what it said is in the message.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    folder = folder_for("checkov", digest)
    with tool_folder(folder):
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
    install("checkov", command, kept, deadline_s=INSTALL_DEADLINE_S)


if __name__ == "__main__":
    try:
        ensure_checkov()
    except LocalError as fault:
        sys.exit(str(fault))
