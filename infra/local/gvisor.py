"""Makes gVisor's runtime known to the Docker engine of this machine, for the tests.

Docker reads runtimes with arguments from a file alone (`dockerd --add-runtime` takes none), and
reads the file again on SIGHUP, without touching what runs (seen with 20.10). So one way serves
an engine that we start, one that runs, and one that systemd started.
"""

import json
import os
import shutil
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from docker.errors import DockerException  # noqa: TID251 - infra/local may talk to Docker

from infra.local import apt
from infra.local.console import Console
from infra.local.engine import DEFAULT_ADDRESS, connect, engine_address
from infra.local.errors import EngineError

RUNTIME = "runsc"
ARGUMENTS = ("--platform=ptrace", "--network=none")
"""`ptrace` works wherever Linux does; `kvm` hangs in virtual machines without nested
virtualisation. Sandboxes have no network, and gVisor need not know how to make one."""

FORGOTTEN = "io.containerd.runc.v2"
"""Another name of `runc`, which Docker 20.10 knows from its start on and forgets when it reads
the file again: containers that were made by that name could not be started any more."""

SETTINGS_FILE = Path("/etc/docker/daemon.json")
PID_FILE = Path("/var/run/docker.pid")
RELOAD_TIMEOUT_S = 15.0


def knows(runtime: str) -> bool:
    """Ask the engine whether it knows a runtime by that name.

    Raises:
        DockerException, OSError: It does not answer.
    """
    with closing(connect()) as client:
        return runtime in (client.info().get("Runtimes") or {})


def obstacle() -> str:
    """Say why we may not make it known to the engine; empty if we may."""
    if engine_address() != DEFAULT_ADDRESS:
        return f"the engine at {engine_address()} is not this machine's own"
    if os.geteuid() != 0:
        return f"only root may change {SETTINGS_FILE}"
    if shutil.which(RUNTIME) is None and not apt.can_install():
        return f"there is no {RUNTIME} on the PATH"
    return ""


def ensure(console: Console) -> None:
    """See to it that the engine knows `runsc`. May be repeated. Only without an `obstacle`.

    Raises:
        LocalError: It cannot be installed, or the engine does not take it.
    """
    if shutil.which(RUNTIME) is None:
        apt.install((RUNTIME,), console)
    program = shutil.which(RUNTIME)
    if program is None:
        raise EngineError(f"the package {RUNTIME} has no program {RUNTIME}")
    console.say(f"adding the runtime {RUNTIME} to {SETTINGS_FILE}, for the tests with gVisor")
    settings = with_runtime(_text(SETTINGS_FILE), program, keep=knows(FORGOTTEN))
    SETTINGS_FILE.parent.mkdir(parents=True, exist_ok=True)
    draft = SETTINGS_FILE.with_suffix(".draft")
    draft.write_text(settings, encoding="utf-8")
    draft.replace(SETTINGS_FILE)
    _reload()


def with_runtime(settings: str, program: str, *, keep: bool = False) -> str:
    """Return the engine's settings with the runtime in them, and everything else as it was.

    Args:
        settings: What the file says; nothing where there is none.
        program: The runtime's path.
        keep: Whether the engine has to be told of `FORGOTTEN` as well.

    Raises:
        EngineError: They are no JSON object; they are somebody's, and left alone.
    """
    try:
        known: Any = json.loads(settings or "{}")
        runtimes = known.setdefault("runtimes", {})
        runtimes.setdefault(RUNTIME, {"path": program, "runtimeArgs": list(ARGUMENTS)})
        if keep:
            runtimes.setdefault(FORGOTTEN, {"path": "runc"})
    except (ValueError, AttributeError) as fault:
        raise EngineError(f"{SETTINGS_FILE} is not a JSON object: {fault}") from fault
    return json.dumps(known, indent=2) + "\n"


def how_to_add(runtime: str) -> str:
    """Tell a person how to make the engine know a runtime."""
    example = json.dumps({"path": f"/usr/bin/{runtime}", "runtimeArgs": []})
    if runtime == RUNTIME:
        example = json.dumps({"path": f"/usr/bin/{runtime}", "runtimeArgs": list(ARGUMENTS)})
    return (
        f"install it, add it to {SETTINGS_FILE} on the engine's host:\n"
        f'  {{"runtimes": {{"{runtime}": {example}}}}}\n'
        "and let the engine read that: sudo systemctl reload docker\n"
        "(docs/production-host.md says more)"
    )


def _reload() -> None:
    try:
        os.kill(int(PID_FILE.read_text(encoding="ascii")), signal.SIGHUP)
    except (OSError, ValueError) as fault:
        raise EngineError(f"the Docker engine cannot be told to reload: {fault}") from fault
    give_up_at = time.monotonic() + RELOAD_TIMEOUT_S
    while time.monotonic() < give_up_at:
        try:
            if knows(RUNTIME):
                return
        except (DockerException, OSError):
            pass
        time.sleep(0.1)
    raise EngineError(
        f"the Docker engine does not take the runtime {RUNTIME} from {SETTINGS_FILE}; its log"
        " says why"
    )


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
