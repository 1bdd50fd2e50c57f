"""Runs a program in the real sandbox image, locked down much as the executor does it.

Not the supervisor: its own tests have that. Here the image is asked what it contains.
"""

import io
import json
import os
import struct
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.image_docker import find_docker

IMAGE = os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest")
SHARED_ASSETS = Path(__file__).resolve().parents[2] / "shared_assets"
SECCOMP_FILE = Path(__file__).resolve().parents[2] / "sandbox" / "seccomp.json"
UID = "12345:12345"
"""No uid that the image knows: whatever works must work for every one."""

_TMPFS = (
    *("--tmpfs", "/mnt/data:size=100m,exec", "--tmpfs", "/tmp:size=64m,noexec"),
    *("--tmpfs", "/run/build:size=64m,exec,mode=1777"),
)
_CONFINED = (
    *("--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--security-opt", f"seccomp={SECCOMP_FILE}"),
    *("--memory", "1g", "--pids-limit", "50", "--ulimit", "fsize=104857600"),
)
_COLLECT = """
cat > /tmp/main
"$@" /tmp/main < /dev/null > /tmp/stdout 2> /tmp/stderr
echo $? > /tmp/status
exec tar -c -C / mnt/data tmp/stdout tmp/stderr tmp/status
"""
_DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left behind."""

    status: int
    stdout: str
    stderr: str
    files: dict[str, bytes]
    """The regular files of its working directory."""

    @property
    def answer(self) -> Any:
        """What it printed, read as JSON."""
        assert self.status == 0, self.stderr
        return json.loads(self.stdout)


def run(program: str, *, interpreter: str = "python3", user: str = UID) -> Ran:
    """Run `program` in a container of its own, with the shared assets mounted."""
    confined = ("run", *_CONFINED, *_TMPFS, "--user", user)
    mounts = ("--volume", f"{SHARED_ASSETS}:/mnt/shared:ro")
    command = ("--entrypoint", "bash", IMAGE, "-c", _COLLECT, "bash", *interpreter.split())
    archive = subprocess.run(
        (find_docker().program, *confined, *mounts, *command),
        input=program.encode(),
        capture_output=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert archive.returncode == 0, archive.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        members = {entry.name: tar.extractfile(entry) for entry in tar if entry.isfile()}
        contents = {name: file.read() for name, file in members.items() if file is not None}
    return Ran(
        status=int(contents.pop("tmp/status")),
        stdout=contents.pop("tmp/stdout").decode(),
        stderr=contents.pop("tmp/stderr").decode(),
        files={name.removeprefix("mnt/data/"): data for name, data in contents.items()},
    )


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height from a PNG's header."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height
