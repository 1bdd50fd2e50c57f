"""What a service holds on to: in each of its processes, and of this host."""

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import docker  # noqa: TID251 - looks from outside
from docker.errors import NotFound  # noqa: TID251 - as above

from infra.local.engine import connect
from tests.bench.processes import resident_mb, threads
from tests.executor import oci_view
from tests.live.running_service import RunningService

PROCESSES = ("api", "executor", "weed", "valkey-server")


ORPHANS = "mounts of containers that are gone"


class Held(NamedTuple):
    """What one process holds."""

    descriptors: int
    threads: int
    resident_mb: float


class Sample(NamedTuple):
    """What all of them hold at one moment, while nothing runs."""

    processes: Mapping[str, Held]
    host: Mapping[str, int]
    """Counts of what they have on this host: equal whenever nothing runs."""


def take(service: RunningService, temporary: Path) -> Sample:
    """Look. `temporary` is the folder that they were given for passing files."""
    processes = {"up": service.pid, **{name: _child(service, name) for name in PROCESSES}}
    return Sample(
        processes={name: _held(pid) for name, pid in processes.items()},
        host={
            "processes": len(service.processes()),
            "containers": len(service.containers(ended=True)),
            "sandboxes of the OCI runtime": len(oci_view.boxes_of(owner_of(service))),
            **_mounts_of(processes["executor"]),
            "network interfaces": len(list(Path("/sys/class/net").iterdir())),
            "temporary files": len(list(temporary.iterdir())),
            "objects in the bucket": len(service.stored()),
        },
    )


def owner_of(service: RunningService) -> str:
    """Return whose sandboxes they are, as the executor is called."""
    return (service.work_dir / "executor-id").read_text(encoding="ascii").strip()


def table(before: Sample, after: Sample, *, title: str) -> str:
    """Return the report: what each process held, and then holds."""
    lines = [title, f"  {'':<16}{'descriptors':>14}{'threads':>12}{'resident MB':>18}"]
    for name, was in before.processes.items():
        now = after.processes[name]
        lines.append(
            f"  {name:<16}{f'{was.descriptors} → {now.descriptors}':>14}"
            f"{f'{was.threads} → {now.threads}':>12}"
            f"{f'{was.resident_mb:.1f} → {now.resident_mb:.1f}':>18}"
        )
    kept = ", ".join(f"{name} {was} → {after.host[name]}" for name, was in before.host.items())
    return "\n".join([*lines, f"  {kept}"])


def _child(service: RunningService, name: str) -> int:
    pid = service.child(name)
    assert pid is not None, f"there is no {name}"
    return pid


def _held(pid: int) -> Held:
    return Held(
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=threads(pid),
        resident_mb=resident_mb(pid),
    )


def _mounts_of(pid: int) -> dict[str, int]:
    """Count what is mounted, as a process sees it."""
    mounts = _mounted(pid)
    with closing(connect()) as engine:
        root = Path(engine.info()["DockerRootDir"])
        known = _parts_of_containers(engine)
    of_containers = [one for one in mounts if root in one.parents or "docker" in one.parts[:3]]
    return {
        ORPHANS: sum(
            known.isdisjoint(one.parts) for one in of_containers if one.name != "default"
        ),
        "other mounts": len(mounts) - len(of_containers),
    }


def _parts_of_containers(engine: docker.DockerClient) -> set[str]:
    """Return the names by which containers' folders and layers go."""
    known: set[str] = set()
    for container in engine.api.containers(all=True, quiet=True):
        with suppress(NotFound):  # Gone meanwhile, and its mounts with it or soon.
            found = engine.api.inspect_container(container["Id"])
            layers = found["GraphDriver"]["Data"] or {}
            network = found["NetworkSettings"]["SandboxKey"]
            known |= {
                container["Id"],
                Path(layers.get("MergedDir", "/")).parent.name,
                Path(network).name,
            }
    return known


def _mounted(pid: int) -> list[Path]:
    """Return where something is mounted (proc(5), `mounts`)."""
    text = Path(f"/proc/{pid}/mounts").read_text(encoding="utf-8", errors="replace")
    return [Path(line.split(" ")[1]) for line in text.splitlines()]
