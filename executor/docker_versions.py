"""Which programs a Docker engine makes sandboxes with: its answer to `GET /version`, read."""

from collections.abc import Mapping
from typing import Any

from executor.known_escapes import Part

RUNC_NAMES = frozenset({"runc", "io.containerd.runc.v2"})
"""What a Docker engine calls runc. The second name is containerd's for the same program."""

_NAMES = {"Engine": "docker"}


def parts_of(answer: Mapping[str, Any], *, runtime: str) -> tuple[Part, ...]:
    """Return the engine's parts that have to do with sandboxes of `runtime`.

    Engines tell the version of runc alone, also where another runtime is used; of that,
    nothing is known from here.
    """
    found = (_part(component) for component in answer.get("Components") or ())
    return tuple(part for part in found if part.name != "runc" or runtime in RUNC_NAMES)


def _part(component: Mapping[str, Any]) -> Part:
    name = str(component.get("Name", ""))
    details = component.get("Details") or {}
    return Part(
        name=_NAMES.get(name, name),
        version=str(component.get("Version", "")),
        build=str(details.get("GitCommit", "")),
    )
