"""From checks to a grade, and to what would raise it; docs/production-host.md defines both."""

from collections.abc import Sequence
from enum import StrEnum

from infra.local.doctor_checks import Check, State
from infra.local.doctor_facts import Engine, Facts, Kernel


class Grade(StrEnum):
    """How far a program is from the host. Its meaning is promised in the documentation."""

    A = "A"
    """Another kernel than the host's is between them."""
    B = "B"
    """The host's kernel, but root of the sandbox is nobody on the host."""
    C = "C"
    """The host's kernel, and the barriers that every container has."""
    D = "D"
    """A barrier that the product counts on is missing."""


def grade(facts: Facts, checks: Sequence[Check]) -> Grade | None:
    """Return the grade; `None` without an engine, which is no host for sandboxes at all."""
    if facts.engine is None:
        return None
    if any(check.state is State.BAD for check in checks):
        return Grade.D
    if facts.kernel is not Kernel.HOST:
        return Grade.A
    return Grade.B if _root_is_nobody(facts, facts.engine) else Grade.C


def steps(facts: Facts, checks: Sequence[Check]) -> tuple[str, ...]:
    """Say what would raise the grade, the most urgent first."""
    reached = grade(facts, checks)
    urgent = [check.advice for check in checks if check.state is State.BAD and check.advice]
    if reached is None:
        return tuple(urgent)
    if facts.engine is not None and reached is not Grade.A and facts.kernel is Kernel.HOST:
        if not _root_is_nobody(facts, facts.engine):
            urgent.append(
                "for B: SANDBOX_ENGINE=oci (as root, on the engine's host), or an engine with"
                " userns-remap, or a rootless one"
            )
        urgent.append("for A: SANDBOX_RUNTIME=runsc (gVisor), or a runtime of virtual machines")
    return tuple(urgent)


def _root_is_nobody(facts: Facts, engine: Engine) -> bool:
    """Whether each sandbox, or the whole engine, is in a user namespace."""
    return facts.sandbox_engine == "oci" or engine.has_userns_remap or engine.is_rootless
