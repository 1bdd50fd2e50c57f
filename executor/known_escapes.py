"""Known ways out of a container, by the versions that have them: data, and one question.

The table is of what upstream projects have published, as of November 2026. A distribution
mends without changing the version: `executor.boot_check` finds out.

No row: gVisor's `runsc`, of which no way out of a sandbox is published with a version; and
holes of containerd's Kubernetes interface (CRI), which a Docker engine does not use.
"""

import re
from dataclasses import dataclass

LAST = 1 << 30
"""Stands for `no release candidate` and `no such number` where versions are compared."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-~.]?(?:rc|beta|alpha)[-.]?(\d+))?")

Version = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the programs that sandboxes are made with."""

    name: str
    """`docker`, `containerd`, `runc`, `crun`, …"""
    version: str
    """As it says itself."""
    build: str = ""
    """What whoever built it calls it: a commit, or the version of a distribution's package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escape:
    """One known hole of one part."""

    cve: str
    part: str
    fixed_in: tuple[str, ...]
    """The first good release of each line that was mended. Later lines are good, others not."""
    what: str
    since: str = "0.0"
    """The first release that has it."""
    needs: str = ""
    """Something that an attack needs and that executors never do or give. Then the hole is
    worth naming, but no reason to refuse the host. A break-out of the runtime itself has none:
    who knows one way to such a defect does not know the next one."""


KNOWN_ESCAPES = (
    Escape(
        cve="CVE-2019-5736",
        part="runc",
        fixed_in=("1.0.0-rc7",),
        what="the container overwrites the host's runc",
    ),
    Escape(
        cve="CVE-2019-19921",
        part="runc",
        fixed_in=("1.0.0-rc10",),
        what="two containers that share a volume get at the host's /proc",
    ),
    Escape(
        cve="CVE-2021-30465",
        part="runc",
        fixed_in=("1.0.0-rc95",),
        what="a link swapped during a mount leads out of the root",
    ),
    Escape(
        cve="CVE-2023-27561",
        part="runc",
        since="1.0.0-rc95",
        fixed_in=("1.1.5",),
        what="CVE-2019-19921 once more",
    ),
    Escape(
        cve="CVE-2024-21626",
        part="runc",
        since="1.0.0-rc93",
        fixed_in=("1.1.12",),
        what="a leaked descriptor leads to the host's files",
    ),
    *(
        Escape(
            cve=cve,
            part="runc",
            fixed_in=("1.2.8", "1.3.3", "1.4.0-rc.3"),
            what="links swapped while a container starts redirect runc's mounts and writes",
        )
        for cve in ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881")
    ),
    Escape(
        cve="CVE-2026-41579",
        part="runc",
        fixed_in=("1.3.6", "1.4.3", "1.5.0-rc.3"),
        what="an image whose /dev is a link writes a little to the host",
        needs="an image of the attacker's",
    ),
    Escape(
        cve="CVE-2019-18837",
        part="crun",
        fixed_in=("0.10.5",),
        what="links in an image lead to the host's files",
        needs="an image of the attacker's",
    ),
    *(
        Escape(
            cve=cve,
            part="crun",
            fixed_in=("1.30",),
            what="an image whose /dev/console or /dev/null is a link reaches the host's files",
            needs="an image of the attacker's",
        )
        for cve in ("CVE-2026-88264", "CVE-2026-88265")
    ),
    Escape(
        cve="CVE-2018-15664",
        part="docker",
        fixed_in=("18.09.7", "19.03.0"),
        what="`docker cp` follows a link that the container swaps",
        needs="`docker cp` with a container that runs",
    ),
    Escape(
        cve="CVE-2019-14271",
        part="docker",
        since="19.03.0",
        fixed_in=("19.03.1",),
        what="`docker cp` loads a library of the container's as root of the host",
        needs="`docker cp` from a container",
    ),
    Escape(
        cve="CVE-2021-21284",
        part="docker",
        fixed_in=("19.03.15", "20.10.3"),
        what="the remapped root of userns-remap becomes root",
        needs="somebody else on the host who is the remapped root",
    ),
    Escape(
        cve="CVE-2024-41110",
        part="docker",
        since="19.03.0",
        fixed_in=("23.0.15", "25.0.6", "26.1.5", "27.1.1"),
        what="requests pass authorization plugins",
        needs="an authorization plugin, and the engine's socket",
    ),
    Escape(
        cve="CVE-2026-41567",
        part="docker",
        fixed_in=("29.5.1",),
        what="a compressed upload is unpacked by the container's program, as root of the host",
        needs="a compressed archive copied into a container",
    ),
    *(
        Escape(
            cve=cve,
            part="docker",
            fixed_in=("29.5.1",),
            what="links swapped during `docker cp` make files and mounts on the host",
            needs="`docker cp` with a container that runs",
        )
        for cve in ("CVE-2026-41568", "CVE-2026-42306")
    ),
    Escape(
        cve="CVE-2020-15257",
        part="containerd",
        fixed_in=("1.3.9", "1.4.3"),
        what="the shim's socket is open to containers in the host's network",
        needs="a container in the host's network",
    ),
    Escape(
        cve="CVE-2024-25621",
        part="containerd",
        fixed_in=("1.7.29", "2.0.7", "2.1.5", "2.2.0"),
        what="folders of containerd's are open to other users of the host",
        needs="another user's account on the host",
    ),
    Escape(
        cve="CVE-2024-40635",
        part="containerd",
        fixed_in=("1.6.38", "1.7.27", "2.0.4"),
        what="a user id that is too large becomes root of the container",
        needs="an image or a user id of the attacker's",
    ),
)


def known_escapes(part: Part) -> tuple[Escape, ...]:
    """Return the holes that `part` has upstream. Of a version that cannot be read, all."""
    version = read_version(part.version)
    rows = (escape for escape in KNOWN_ESCAPES if escape.part == part.name)
    return tuple(row for row in rows if version is None or _has(row, version))


def read_version(text: str) -> Version | None:
    """Return a version's numbers, its release candidate's last; `None` if it has none.

    Whatever a distribution has appended is left out.
    """
    found = _VERSION.match(text)
    if found is None:
        return None
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch or 0), int(candidate or LAST)


def _has(escape: Escape, version: Version) -> bool:
    fixes = [fix for fix in map(read_version, escape.fixed_in) if fix is not None]
    since = read_version(escape.since)
    if since is not None and version < since:
        return False
    in_its_line = [fix for fix in fixes if fix[:2] == version[:2]]
    return version < min(in_its_line) if in_its_line else version[:2] < max(fixes)[:2]
