"""What the host sees of an attack: asked of its kernel and its engine, not of our own code."""

import ipaddress
import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from docker.errors import APIError, NotFound  # noqa: TID251 - an independent view of the engine

from infra.local.engine import connect
from tests.live.running_service import RunningService
from tests.security.conftest import RUNTIME

KIB = 1024
MIB = 1024 * KIB


def inspected(target: RunningService) -> list[dict[str, Any]]:
    """Return all that the engine knows of each of the service's sandboxes."""
    found: list[dict[str, Any]] = []
    with closing(connect()) as engine:
        for container in target.containers():
            with suppress(NotFound):
                found.append(engine.api.inspect_container(container))
    return found


def bytes_on_disk(target: RunningService) -> int:
    """Return how much the sandboxes have written into their containers' own layers."""
    with closing(connect()) as engine:
        running = target.containers()
        listed = engine.api.containers(size=True)
        return sum(each.get("SizeRw", 0) for each in listed if each["Id"] in running)


class Usage(NamedTuple):
    """What a sandbox has taken at one moment."""

    at: float
    cpu_s: float
    processes: int


def usages(target: RunningService) -> Iterator[tuple[str, Usage]]:
    """Yield what each sandbox has taken, by the kernel's own counters, by its id."""
    with closing(connect()) as engine:
        for container in target.containers():
            # One that ends meanwhile is not found, or answered with nothing at all.
            with suppress(NotFound, ValueError):
                stats = engine.api.stats(container, stream=False, one_shot=True)
                cpu_s = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
                processes = stats["pids_stats"].get("current", 0)
                yield container, Usage(time.monotonic(), cpu_s, processes)


def processes_with(mark: str) -> set[str]:
    """Return every process of the host, also in sandboxes, that was started with `mark`.

    gVisor's programs are none of the host's processes.
    """
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.add(folder.name)
    return found


def programs_with(mark: str, target: RunningService) -> set[str]:
    """Return every process of the service's sandboxes that was started with `mark`.

    Those of gVisor have to be asked for it, which takes a second, and which may hang while one
    of them does nothing but make processes.
    """
    if RUNTIME == "runsc":
        return _inside_with(mark.encode(), target)
    return processes_with(mark)


def _inside_with(mark: bytes, target: RunningService) -> set[str]:
    look = "for each in /proc/[0-9]*/cmdline; do echo; echo $each; cat $each; done"
    found: set[str] = set()
    with closing(connect()) as engine:
        for container in target.containers():
            # One that ends meanwhile has no processes, or an engine's error in their place.
            with suppress(APIError):
                order = engine.api.exec_create(container, ["bash", "-c", look], stderr=False)
                told = engine.api.exec_start(order["Id"])
                found |= {
                    f"{container}:{line.decode()}"
                    for line, commands in _pairs(told)
                    if mark in commands and look.encode() not in commands
                }
    return found


def _pairs(told: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the path and the content of what `_inside_with` had printed."""
    for block in told.split(b"\n/proc/"):
        path, _, content = block.partition(b"\n")
        yield path, content


class PeakMemory:
    """The most memory that processes of the service take, from when this is made."""

    def __init__(self, target: RunningService, *names: str) -> None:
        self._processes: dict[str, Path] = {}
        for name in names:
            pid = target.child(name)
            assert pid is not None, f"there is no {name}"
            self._processes[name] = Path(f"/proc/{pid}")
            # Sets VmHWM back to what is held now: proc_pid_clear_refs(5).
            (self._processes[name] / "clear_refs").write_text("5")
        self._before = self._peaks()

    def grown_by(self) -> dict[str, int]:
        """Return by how many bytes each has grown, at most."""
        return {name: peak - self._before[name] for name, peak in self._peaks().items()}

    def _peaks(self) -> dict[str, int]:
        return {
            name: int(_line(folder / "status", "VmHWM:").split()[0]) * KIB
            for name, folder in self._processes.items()
        }


def _line(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix(name) for line in lines if line.startswith(name))


def addresses() -> list[str]:
    """Return every address that this host has."""
    found: list[str] = []
    last = ""
    for line in Path("/proc/net/fib_trie").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[0] == "|--":
            last = words[1]
        elif "LOCAL" in words and last not in found:
            found.append(last)
    with suppress(FileNotFoundError):  # Without IPv6.
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
        found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines]
    return found


def abstract_sockets() -> list[str]:
    """Return the names of the abstract unix sockets that listen on this host."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]
    names = {line.split()[7] for line in lines if len(line.split()) > 7}
    return sorted(name[1:] for name in names if name.startswith("@"))


def ports(target: RunningService) -> dict[str, int]:
    """Return where on loopback the parts of the service listen: broker, store, API."""
    told = json.loads((target.work_dir / "ports.json").read_text(encoding="utf-8"))
    return {**told, "api": target.port}
