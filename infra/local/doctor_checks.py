"""What `doctor` makes of the facts: one check each. Pure."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from executor.boot_check import Finding, Mended, alike, lines
from infra.local.doctor_facts import Engine, Facts, Image, Kernel


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    text: str
    advice: str = ""
    """What would mend it; empty where nothing need be."""


def examine(facts: Facts) -> tuple[Check, ...]:
    """Judge everything that is known."""
    return tuple(_checks(facts))


def _checks(facts: Facts) -> Iterator[Check]:
    if facts.engine is None:
        yield Check(
            name="engine",
            state=State.BAD,
            text=f"no Docker engine answers at {facts.address}: {facts.silence}",
            advice=(
                "run this with sudo, or: sudo usermod -aG docker $USER, and log in again"
                if facts.is_denied
                else "start it, or let ./code-command up do so; isolation can be judged then"
            ),
        )
    else:
        yield Check(
            name="engine",
            state=State.OK,
            text=f"Docker {facts.engine.version} answers at {facts.address}",
        )
        yield _runtime(facts, facts.engine)
        yield _user_namespaces(facts, facts.engine)
        yield _seccomp(facts, facts.engine)
        yield from _limits(facts, facts.engine)
        yield _confinement(facts, facts.engine)
        yield _kernel(facts.engine)
        yield _image(facts, facts.engine)
    if facts.engine is not None or facts.findings:
        yield from _escapes(facts)
    yield _key(facts)


def _runtime(facts: Facts, engine: Engine) -> Check:
    made_by = (
        f"{facts.runtime} itself" if facts.sandbox_engine == "oci" else "the Docker engine"
    )
    text = f"{facts.runtime}, {facts.kernel.value} kernel; sandboxes are made by {made_by}"
    if engine.knows_runtime:
        return Check(name="runtime", state=State.OK, text=text)
    return Check(
        name="runtime",
        state=State.BAD,
        text=f"{facts.runtime} is not known to what would start it",
        advice=f"install {facts.runtime} and add it to /etc/docker/daemon.json"
        " (docs/production-host.md), or choose another SANDBOX_RUNTIME",
    )


def _user_namespaces(facts: Facts, engine: Engine) -> Check:
    name = "users"
    if engine.is_rootless:
        return Check(name=name, state=State.OK, text="the engine itself is not root (rootless)")
    if engine.has_userns_remap:
        return Check(name=name, state=State.OK, text="root is nobody (userns-remap)")
    if facts.sandbox_engine == "oci":
        return Check(
            name=name, state=State.OK, text="each sandbox has a user namespace of its own"
        )
    if facts.kernel is not Kernel.HOST:
        return Check(
            name=name, state=State.OK, text=f"root of a sandbox is root in {facts.kernel.value}"
        )
    return Check(
        name=name,
        state=State.WARNING,
        text="root of a sandbox, whom programs are not, would be root of the host",
        advice="SANDBOX_ENGINE=oci, userns-remap or a rootless engine",
    )


def _seccomp(facts: Facts, engine: Engine) -> Check:
    if engine.has_seccomp:
        return Check(
            name="seccomp",
            state=State.OK,
            text="the kernel filters system calls, by the product's own list",
        )
    if facts.kernel is not Kernel.HOST:
        return Check(
            name="seccomp",
            state=State.WARNING,
            text=f"the engine has none; programs talk to {facts.kernel.value} kernel",
            advice="a kernel and an engine with seccomp",
        )
    return Check(
        name="seccomp",
        state=State.BAD,
        text="the engine does not filter system calls",
        advice="use a kernel and an engine with seccomp (CONFIG_SECCOMP_FILTER)",
    )


def _limits(facts: Facts, engine: Engine) -> Iterator[Check]:
    missing = [name for name, works in engine.limits.items() if not works and name != "swap"]
    text = f"cgroup v{engine.cgroup_version}"
    if missing:
        yield Check(
            name="limits",
            state=State.BAD,
            text=f"{text}; the kernel does not limit {', '.join(missing)}",
            advice="enable the kernel's memory, pids and cpu controllers",
        )
    else:
        yield Check(
            name="limits",
            state=State.OK,
            text=f"{text}; memory, processes and processors are limited",
        )
    yield _swap(facts, engine)


def _swap(facts: Facts, engine: Engine) -> Check:
    if engine.limits.get("swap"):
        return Check(name="swap", state=State.OK, text="counted with the memory")
    if facts.has_swap is False:
        return Check(name="swap", state=State.OK, text="none on this host, and none is counted")
    known = "is on" if facts.has_swap else "may be on"
    return Check(
        name="swap",
        state=State.WARNING,
        text=f"swap {known}, and the kernel does not count it: memory limits leak into it",
        advice="swapoff -a, or boot with swapaccount=1 (cgroup v1)",
    )


def _confinement(facts: Facts, engine: Engine) -> Check:
    if engine.confinement:
        return Check(name="confinement", state=State.OK, text=f"{engine.confinement} is on")
    if facts.kernel is not Kernel.HOST:
        return Check(name="confinement", state=State.OK, text="no AppArmor or SELinux")
    return Check(
        name="confinement",
        state=State.WARNING,
        text="neither AppArmor nor SELinux: one barrier less, should another one fall",
        advice="boot a kernel with AppArmor or SELinux",
    )


def _kernel(engine: Engine) -> Check:
    return Check(
        name="kernel",
        state=State.OK,
        text=f"Linux {engine.kernel_release}; whether it is patched is not judged here",
    )


def _image(facts: Facts, engine: Engine) -> Check:
    told = {
        Image.CURRENT: (State.OK, "is there, and of this checkout", ""),
        Image.FOREIGN: (State.OK, "is there, from a registry", ""),
        Image.OUTDATED: (
            State.WARNING,
            "was built from other files than this checkout's",
            "./code-command build",
        ),
        Image.MISSING: (State.WARNING, "is not there", "./code-command build"),
    }
    state, text, advice = told[engine.image]
    return Check(name="image", state=state, text=f"{facts.image} {text}", advice=advice)


def _escapes(facts: Facts) -> Iterator[Check]:
    is_open = [finding for finding in facts.findings if finding.is_open]
    for line, finding in zip(lines(is_open), _firsts(is_open), strict=True):
        wanted = " or ".join(finding.escape.fixed_in)
        yield Check(
            name="escapes",
            state=State.BAD,
            text=line,
            advice=f"update {finding.part.name} to {wanted} or later, or to a package of your"
            " distribution that says it mends this",
        )
    mended = [finding for finding in facts.findings if finding.mended is Mended.YES]
    if mended:
        yield Check(
            name="escapes",
            state=State.OK,
            text=f"mended by this host's packages: {_named(mended)}",
        )
    harmless = [
        finding
        for finding in facts.findings
        if finding.escape.needs and finding.mended is not Mended.YES
    ]
    if harmless:
        yield Check(
            name="escapes",
            state=State.OK,
            text="known, but out of a sandbox's reach, since each needs what executors never"
            f" do: {_named(harmless)}",
        )
    if facts.versions_problem:
        yield Check(
            name="escapes",
            state=State.WARNING,
            text=f"versions are unknown: {facts.versions_problem}",
        )
    elif not facts.findings:
        yield Check(name="escapes", state=State.OK, text="none known of these versions")
    if facts.is_strict:
        yield Check(
            name="strict", state=State.OK, text="SANDBOX_STRICT refuses known escapes at start"
        )


def _firsts(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Return one finding for each of their `lines`."""
    for _, group in itertools.groupby(findings, alike):
        yield next(group)


def _named(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{found.escape.cve} ({found.part.name})" for found in findings)


def _key(facts: Facts) -> Check:
    if not facts.has_well_known_key:
        return Check(name="key", state=State.OK, text="the well-known key opens nothing")
    if facts.is_loopback:
        return Check(
            name="key",
            state=State.WARNING,
            text="the well-known key is in use, on loopback",
            advice="unset CODE_API_KEY, and up makes one",
        )
    return Check(
        name="key",
        state=State.BAD,
        text="the well-known key is in use, and the address is not loopback",
        advice="unset CODE_API_KEY, and up makes one",
    )
