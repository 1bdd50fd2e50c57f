"""Says whether a container engine can be used, and if not, what can be done about it."""

import os
import shutil
import socket
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import docker  # noqa: TID251 - infra/local may talk to Docker
from docker.context import ContextAPI  # noqa: TID251 - as above
from docker.errors import DockerException  # noqa: TID251 - as above

from infra.local import apt
from infra.local.errors import EngineError

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
PING_TIMEOUT_S = 10

OWNER_LABEL = "com.code-command.owner"
"""Which executor a container belongs to; set by the executor on all it creates."""

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""Looked at as well as PATH, from which a user's shell often leaves out the `sbin`s."""


class Answer(Enum):
    """What the engine's address says."""

    READY = auto()
    SILENT = auto()
    """Nobody listens there."""
    DENIED = auto()
    """Somebody listens, but not to this user."""


class Step(Enum):
    """What to do next."""

    USE = auto()
    START_DAEMON = auto()
    START_SERVICE = auto()
    INSTALL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides how an engine is got."""

    answer: Answer
    address: str
    is_installed: bool
    is_root: bool
    has_systemd: bool
    may_install: bool


def next_step(facts: Facts) -> Step:
    """Decide how to come by an engine.

    Raises:
        EngineError: It cannot be done from here; the message names what to do.
    """
    if facts.answer is Answer.READY:
        return Step.USE
    if facts.answer is Answer.DENIED:
        raise EngineError(
            f"a Docker engine runs at {facts.address}, but this user may not use it.\n"
            '  sudo usermod -aG docker "$USER"    and log in again;\n'
            "  or run this command with sudo"
        )
    if facts.address != DEFAULT_ADDRESS:
        raise EngineError(
            f"no Docker engine answers at {facts.address} (DOCKER_HOST, or Docker's current "
            "context); start it, or unset DOCKER_HOST to use this machine's own"
        )
    if not facts.is_installed:
        if facts.may_install:
            return Step.INSTALL
        raise EngineError(
            "no Docker engine is installed; on Debian and Ubuntu it is installed for you when "
            f"this command runs as root. By hand:\n  {apt.install_command(['docker.io'])}"
        )
    if not facts.is_root:
        how = "systemctl start docker" if facts.has_systemd else "dockerd"
        raise EngineError(f"the Docker engine does not run. Start it:\n  sudo {how}")
    return Step.START_SERVICE if facts.has_systemd else Step.START_DAEMON


def look_around() -> Facts:
    """Return the facts about this machine."""
    address = engine_address()
    return Facts(
        answer=ask(address),
        address=address,
        is_installed=find_program("dockerd") is not None,
        is_root=os.geteuid() == 0,
        has_systemd=Path("/run/systemd/system").is_dir(),
        may_install=apt.can_install(),
    )


def engine_address() -> str:
    """Return where the engine is: DOCKER_HOST, or Docker's current context."""
    if address := os.environ.get("DOCKER_HOST"):
        return address
    try:
        context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
    except DockerException:
        return DEFAULT_ADDRESS
    return (context and context.Host) or DEFAULT_ADDRESS


def ask(address: str) -> Answer:
    """Ask the engine at `address` whether it is there."""
    if address.startswith("unix://"):
        answer = _knock(address.removeprefix("unix://"))
        if answer is not Answer.READY:
            return answer
    try:
        engine_version()
    except (DockerException, OSError):
        return Answer.SILENT
    return Answer.READY


def engine_version() -> str:
    """Return the engine's version.

    Raises:
        DockerException, OSError: It does not answer.
    """
    with closing(connect()) as client:
        return str(client.version().get("Version", "unknown"))


def connect() -> docker.DockerClient:
    """Open a connection to the engine. Close it.

    Raises:
        DockerException: There is none.
    """
    return docker.DockerClient.from_env(timeout=PING_TIMEOUT_S, use_ssh_client=True)


def remove_containers_of(owner: str) -> int:
    """Remove every container of the executor called `owner`; return how many there were.

    Raises:
        DockerException, OSError: The engine does not answer, or refuses.
    """
    with closing(connect()) as client:
        found = client.api.containers(
            all=True, quiet=True, filters={"label": f"{OWNER_LABEL}={owner}"}
        )
        for container in found:
            client.api.remove_container(container["Id"], force=True, v=True)
    return len(found)


def find_program(name: str) -> str | None:
    """Return the path of a system program, `None` where it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def _knock(path: str) -> Answer:
    """Try a socket by hand: Docker's client does not tell a refusal from an absence."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(PING_TIMEOUT_S)
        try:
            line.connect(path)
        except PermissionError:
            return Answer.DENIED
        except OSError:
            return Answer.SILENT
    return Answer.READY
