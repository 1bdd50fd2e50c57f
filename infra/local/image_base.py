"""The base image: found, pulled, or bootstrapped from Debian's packages."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.local.image_docker import (
    DockerCommand,
    ImageError,
    LongCommand,
    Report,
    ask,
    find_docker,
    run_watched,
)
from infra.local.image_settings import debian_mirrors, read_apt_sources

BASE_RELEASE = "trixie"
BASE_IMAGE = f"debian:{BASE_RELEASE}-slim"

PULL_FIRST_LINE_S = 45.0
"""A registry that says nothing for this long is not reachable from here."""
PULL_DEADLINE_S = 600.0
BOOTSTRAP_DEADLINE_S = 1800.0

_BY_HAND = (
    f"On a Debian or Ubuntu machine, as root:\n"
    f"  apt-get install debootstrap\n"
    f"  debootstrap --variant=minbase {BASE_RELEASE} /var/tmp/base\n"
    f"  tar -C /var/tmp/base -c . | docker import - {BASE_IMAGE}\n"
    f"or bring it from a machine that can pull it:\n"
    f"  docker save {BASE_IMAGE} | ssh THIS-MACHINE docker load"
)


def ensure_base_image(report: Report) -> None:
    """Make sure that the engine has the base image. Safe to repeat.

    Raises:
        EngineError: The engine does not answer.
        ImageError: It can be neither pulled nor bootstrapped; the message has the commands.
    """
    docker = find_docker()
    if ask(docker, "image", "inspect", "--format", "{{.Id}}", BASE_IMAGE) is not None:
        return
    report(f"pulling {BASE_IMAGE}")
    pull = LongCommand(
        argv=(docker.program, "pull", BASE_IMAGE),
        deadline_s=PULL_DEADLINE_S,
        first_line_s=PULL_FIRST_LINE_S,
    )
    try:
        run_watched(pull, report)
    except ImageError as failure:
        report(f"it cannot be pulled: {str(failure).splitlines()[-1]}")
        _bootstrap(docker, report)


def _bootstrap(docker: DockerCommand, report: Report) -> None:
    if os.geteuid() != 0:
        raise ImageError(f"{BASE_IMAGE} cannot be pulled, and making it takes root. {_BY_HAND}")
    program = shutil.which("debootstrap") or _install_debootstrap(report)
    report(f"making {BASE_IMAGE} from Debian's packages (1 to 3 minutes)")
    # /var/tmp rather than /tmp, which may be in memory or forbid device files.
    with tempfile.TemporaryDirectory(prefix="code-command-base-", dir="/var/tmp") as folder:
        root = Path(folder, "root")
        # Without a mirror of this machine's, debootstrap knows Debian's own.
        mirror = debian_mirrors(read_apt_sources()).get("archive")
        orders = ("--variant=minbase", BASE_RELEASE, str(root), *([mirror] if mirror else []))
        bootstrap = LongCommand(argv=(program, *orders), deadline_s=BOOTSTRAP_DEADLINE_S)
        run_watched(bootstrap, lambda line: report(line.removeprefix("I: ")))
        for cache in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(root / cache)
            (root / cache).mkdir()
        _import(docker, root)


def _install_debootstrap(report: Report) -> str:
    apt = shutil.which("apt-get")
    if apt is None:
        raise ImageError(f"{BASE_IMAGE} cannot be pulled, and there is no apt-get. {_BY_HAND}")
    report("installing debootstrap")
    packages = ("debootstrap", "debian-archive-keyring")
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", *packages)):
        command = LongCommand(
            argv=(apt, *arguments),
            deadline_s=BOOTSTRAP_DEADLINE_S,
            environment={"DEBIAN_FRONTEND": "noninteractive"},
        )
        run_watched(command, report)
    program = shutil.which("debootstrap")
    if program is None:
        raise ImageError(f"debootstrap was installed but is not on PATH. {_BY_HAND}")
    return program


def _import(docker: DockerCommand, root: Path) -> None:
    with subprocess.Popen(
        ("tar", "--numeric-owner", "-C", str(root), "-c", "."), stdout=subprocess.PIPE
    ) as archive:
        done = subprocess.run(
            (docker.program, "import", "--change", 'CMD ["bash"]', "-", BASE_IMAGE),
            stdin=archive.stdout,
            capture_output=True,
            text=True,
            timeout=BOOTSTRAP_DEADLINE_S,
            check=False,
        )
    if done.returncode != 0 or archive.returncode != 0:
        raise ImageError(f"docker import {BASE_IMAGE} failed: {done.stderr.strip()}")
