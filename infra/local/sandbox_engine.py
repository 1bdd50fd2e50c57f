"""Which engine makes the sandboxes of one machine: the OCI runtime itself, where that works."""

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Literal

from infra.local.config import CHECKOUT
from infra.local.console import Console
from infra.local.errors import BadSettingError
from infra.local.image_docker import ImageError, LongCommand, run_watched

SandboxEngine = Literal["docker", "oci"]

DEFAULT_RUNTIME = "runc"
TRIAL_DEADLINE_S = 300.0
"""Unpacking the image takes 20 to 40 s, the rest a tenth of one."""


def choose_sandbox_engine(environment: Mapping[str, str], console: Console) -> SandboxEngine:
    """Return what the executor is to use, and say so.

    What the user has set is what it is. Otherwise `oci`, if one sandbox can be made that way:
    a run costs the machine less than with the Docker engine.

    Args:
        environment: Of the executor. It is tried with exactly that.
        console: Where it is said, and why.

    Raises:
        BadSettingError: The user has set `oci`, and no sandbox can be made that way. The
            executor would start all the same, and wait for that to change.
    """
    named = environment.get("SANDBOX_ENGINE")
    if named == "oci" and (obstacle := _trial(environment, console)):
        raise BadSettingError(
            f"SANDBOX_ENGINE=oci: no sandbox can be made that way: {obstacle}\nMend that, or"
            " take the setting away: `up` then uses the Docker engine"
        )
    if named:
        console.done(f"sandboxes are made by {_described(named)}, as SANDBOX_ENGINE says")
        return "oci" if named == "oci" else "docker"  # Another name is no valid setting.
    obstacle = _obstacle(environment) or _trial(environment, console)
    if obstacle:
        console.done(f"sandboxes are made by {_described('docker')}: {obstacle}")
        return "docker"
    console.done(f"sandboxes are made by {_described('oci')} (SANDBOX_ENGINE=oci)")
    return "oci"


def likely_engine(environment: Mapping[str, str]) -> SandboxEngine:
    """Return what `choose_sandbox_engine` would try first; nothing is tried."""
    named = environment.get("SANDBOX_ENGINE")
    if named:
        return "oci" if named == "oci" else "docker"
    return "docker" if _obstacle({"PATH": os.environ["PATH"], **environment}) else "oci"


def _described(engine: str) -> str:
    return f"{DEFAULT_RUNTIME} itself" if engine == "oci" else "the Docker engine"


def _obstacle(environment: Mapping[str, str]) -> str | None:
    """Say why it need not even be tried."""
    if os.geteuid() != 0:
        return "without root no other way is open"
    runtime = environment.get("SANDBOX_RUNTIME") or DEFAULT_RUNTIME
    if runtime != DEFAULT_RUNTIME:
        return f"SANDBOX_RUNTIME={runtime} is one of its runtimes"
    if not (environment.get("DOCKER_HOST") or "unix://").startswith("unix://"):
        return "DOCKER_HOST is another host"
    if shutil.which(DEFAULT_RUNTIME, path=environment.get("PATH")) is None:
        return f"there is no {DEFAULT_RUNTIME} on the PATH"
    return None


def _trial(environment: Mapping[str, str], console: Console) -> str | None:
    """Have one made; return why that failed."""
    last = ""

    def heard(line: str) -> None:
        nonlocal last
        last = line
        console.status(line)

    console.say(f"trying {_described('oci')}; each new image is unpacked once, for some 30 s")
    command = LongCommand(
        argv=(sys.executable, "-P", "-m", "executor.try_oci"),
        deadline_s=TRIAL_DEADLINE_S,
        environment={**environment, "PYTHONPATH": str(CHECKOUT)},
        cwd=CHECKOUT,
    )
    try:
        run_watched(command, heard)
    except ImageError:
        return last or "it failed and did not say why"
    return None
