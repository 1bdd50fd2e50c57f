"""Which version an OCI runtime's command is: what it says when asked."""

import re
import subprocess

from executor.known_escapes import Part
from executor.sandbox import SandboxUnavailableError

TIMEOUT_S = 10

_FIRST_LINE = re.compile(r"(?P<name>\S+) version (?P<version>\S+)")
_COMMIT = re.compile(r"^commit: (?P<commit>\S+)$", re.MULTILINE)


def runtime_part(command: str) -> Part:
    """Ask `command --version`. Blocks for some milliseconds.

    Raises:
        SandboxUnavailableError: It is not there, or says something else.
    """
    try:
        asked = subprocess.run(  # noqa: S603 - the operator's choice
            (command, "--version"),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired) as fault:
        raise SandboxUnavailableError(f"{command}: {fault}") from fault
    said = _FIRST_LINE.match(asked.stdout)
    if said is None:
        raise SandboxUnavailableError(f"{command} --version does not say its version")
    commit = _COMMIT.search(asked.stdout)
    return Part(
        name=said["name"],
        version=said["version"],
        build=commit["commit"] if commit else "",
    )
