"""Ports on the loopback interface: chosen once, remembered, chosen anew when taken."""

import errno
import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

from infra.local.errors import LocalError
from infra.local.work_dir import write_private

GRPC_OFFSET = 10_000
"""SeaweedFS opens a second port this far above each of its own."""

_FIRST, _LAST = 18_000, 22_000
"""Below the kernel's range for outgoing connections (32768 and up), and so is what lies
`GRPC_OFFSET` above: no client's connection can be sitting on one of them."""

_TRIES = 200

_WHY = {
    errno.EADDRINUSE: "another program listens there (see which: ss -ltnp 'sport = :{port}')."
    " Choose another with --port or CODE_PORT",
    errno.EACCES: "ports below 1024 are root's alone. Choose another with --port or CODE_PORT",
}
_NO_ADDRESS = "{host} is no address of this machine. Correct --host or CODE_HOST"


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Say whether a server could listen on `port` now."""
    return why_not_free(port, host=host) is None


def why_not_free(port: int, *, host: str = "127.0.0.1") -> str | None:
    """Say why no server could listen on `port` now, and what to do; None if one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that is only lingering does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            return _WHY.get(fault.errno or 0, _NO_ADDRESS).format(port=port, host=host)
    return None


def kept_ports(path: Path, names: Iterable[str]) -> dict[str, int]:
    """Return a port for each of `names`, the remembered one where it is still free.

    Both the port and the one `GRPC_OFFSET` above it are free at this moment. Names that
    `path` holds and that are not asked for keep their ports.

    Raises:
        LocalError: No free port could be found.
    """
    remembered = _remembered(path)
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if port is None or not _is_usable(port):
            port = _choose(avoid={*remembered.values(), *chosen.values()})
        chosen[name] = port
    updated = {**remembered, **chosen}
    if updated != remembered:
        write_private(path, json.dumps(updated, indent=1) + "\n")
    return chosen


def _remembered(path: Path) -> dict[str, int]:
    """Read what an earlier start chose; a file that makes no sense is as good as none."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {str(name): port for name, port in kept.items() if isinstance(port, int)}


def _choose(avoid: set[int]) -> int:
    for _ in range(_TRIES):
        port = random.randrange(_FIRST, _LAST)  # noqa: S311 - spread, not secrecy
        if port not in avoid and _is_usable(port):
            return port
    raise LocalError(f"no free port was found from {_FIRST} to {_LAST} on 127.0.0.1")


def _is_usable(port: int) -> bool:
    return 0 < port < 2**16 - GRPC_OFFSET and is_free(port) and is_free(port + GRPC_OFFSET)
