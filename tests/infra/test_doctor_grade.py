"""From what a host is like to its grade."""

from dataclasses import replace

import pytest

from executor.boot_check import Finding, Mended
from executor.known_escapes import KNOWN_ESCAPES, Part
from infra.local.doctor_checks import State, examine
from infra.local.doctor_facts import Engine, Facts, Image, Kernel, kernel_of
from infra.local.doctor_grade import Grade, grade, steps

ENGINE = Engine(
    version="29.6.0",
    is_local=True,
    kernel_release="6.12.80",
    cgroup_version="2",
    limits=dict.fromkeys(("memory", "swap", "processes", "processors"), True),
    has_seccomp=True,
    has_userns_remap=False,
    is_rootless=False,
    confinement="AppArmor",
    knows_runtime=True,
    image=Image.CURRENT,
)
GOOD = Facts(
    address="unix:///var/run/docker.sock",
    engine=ENGINE,
    sandbox_engine="docker",
    runtime="runc",
    kernel=Kernel.HOST,
    findings=(),
    image="code-sandbox:latest",
    has_swap=False,
    has_well_known_key=False,
    is_loopback=True,
    is_strict=False,
)
SILENT = replace(GOOD, engine=None, silence="nobody listens there")

BREAK_OUT = next(row for row in KNOWN_ESCAPES if row.cve == "CVE-2024-21626")
COPYING = next(row for row in KNOWN_ESCAPES if row.cve == "CVE-2026-41567")


def with_engine(facts: Facts = GOOD, **changed: object) -> Facts:
    return replace(facts, engine=replace(ENGINE, **changed))  # type: ignore[arg-type]


def without_limit(name: str) -> Facts:
    return with_engine(limits={**ENGINE.limits, name: False})


def finding(mended: Mended, escape: object = BREAK_OUT) -> Finding:
    row = next(known for known in KNOWN_ESCAPES if known is escape)
    part = Part(name=row.part, version="1.1.5+ds1", build="1.1.5+ds1-1")
    return Finding(part=part, escape=row, mended=mended)


def with_findings(*findings: Finding) -> Facts:
    return replace(GOOD, findings=findings)


GVISOR = replace(GOOD, runtime="runsc", kernel=Kernel.GVISOR)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(GOOD, Grade.C, id="a-shared-kernel-and-every-barrier"),
        pytest.param(GVISOR, Grade.A, id="gvisor"),
        pytest.param(
            replace(GOOD, runtime="kata", kernel=Kernel.VIRTUAL_MACHINE), Grade.A, id="kata"
        ),
        pytest.param(with_engine(has_userns_remap=True), Grade.B, id="userns-remap"),
        pytest.param(with_engine(is_rootless=True), Grade.B, id="rootless"),
        pytest.param(replace(GOOD, sandbox_engine="oci"), Grade.B, id="oci"),
        pytest.param(with_engine(has_seccomp=False), Grade.D, id="no-seccomp"),
        pytest.param(without_limit("memory"), Grade.D, id="no-memory-limit"),
        pytest.param(without_limit("processes"), Grade.D, id="no-process-limit"),
        pytest.param(without_limit("processors"), Grade.D, id="no-processor-limit"),
        pytest.param(with_engine(knows_runtime=False), Grade.D, id="unknown-runtime"),
        pytest.param(with_engine(GVISOR, knows_runtime=False), Grade.D, id="gvisor-unknown"),
        pytest.param(with_findings(finding(Mended.NO)), Grade.D, id="known-escape"),
        pytest.param(with_findings(finding(Mended.UNKNOWN)), Grade.D, id="perhaps-mended"),
        pytest.param(with_findings(finding(Mended.YES)), Grade.C, id="mended-escape"),
        pytest.param(
            with_findings(finding(Mended.NO, COPYING)), Grade.C, id="escape-out-of-reach"
        ),
        pytest.param(with_engine(confinement=""), Grade.C, id="no-apparmor"),
        pytest.param(with_engine(image=Image.MISSING), Grade.C, id="no-image-yet"),
        pytest.param(
            replace(GOOD, has_well_known_key=True, is_loopback=False), Grade.D, id="open-door"
        ),
        pytest.param(SILENT, None, id="no-engine"),
    ],
)
def test_the_grade(facts: Facts, expected: Grade | None) -> None:
    assert grade(facts, examine(facts)) == expected


@pytest.mark.parametrize(
    ("facts", "name", "state"),
    [
        (GOOD, "users", State.WARNING),
        (replace(GOOD, sandbox_engine="oci"), "users", State.OK),
        (with_engine(confinement=""), "confinement", State.WARNING),
        (with_engine(GVISOR, confinement=""), "confinement", State.OK),
        (with_engine(GVISOR, has_seccomp=False), "seccomp", State.WARNING),
        (replace(without_limit("swap"), has_swap=True), "swap", State.WARNING),
        (replace(without_limit("swap"), has_swap=None), "swap", State.WARNING),
        (replace(without_limit("swap"), has_swap=False), "swap", State.OK),
        (with_engine(image=Image.OUTDATED), "image", State.WARNING),
        (with_engine(image=Image.FOREIGN), "image", State.OK),
        (replace(GOOD, has_well_known_key=True), "key", State.WARNING),
        (replace(GOOD, versions_problem="runc: gone"), "escapes", State.WARNING),
        (SILENT, "engine", State.BAD),
    ],
)
def test_single_checks(facts: Facts, name: str, state: State) -> None:
    assert {check.state for check in examine(facts) if check.name == name} == {state}


def test_a_grade_says_what_would_raise_it() -> None:
    assert [step.partition(":")[0] for step in steps(GOOD, examine(GOOD))] == ["for B", "for A"]
    assert steps(GVISOR, examine(GVISOR)) == ()


def test_what_is_bad_comes_first() -> None:
    facts = with_findings(finding(Mended.NO))

    first, *rest = steps(facts, examine(facts))

    assert first.startswith("update runc to 1.1.12 or later")
    assert [step.partition(":")[0] for step in rest] == ["for B", "for A"]


def test_without_an_engine_the_advice_is_to_get_one() -> None:
    assert steps(SILENT, examine(SILENT)) == (
        "start it, or let ./code-command up do so; isolation can be judged then",
    )


def test_with_one_that_this_user_may_not_use_the_advice_is_not_to_start_it() -> None:
    denied = replace(SILENT, is_denied=True)

    (step,) = steps(denied, examine(denied))

    assert "usermod -aG docker" in step
    assert "start it" not in step


@pytest.mark.parametrize(
    ("runtime", "path", "kernel"),
    [
        ("runc", "runc", Kernel.HOST),
        ("crun", "/usr/bin/crun", Kernel.HOST),
        ("runsc", "/usr/bin/runsc", Kernel.GVISOR),
        ("safe", "/usr/local/bin/runsc", Kernel.GVISOR),
        ("kata", "/opt/kata/bin/kata-runtime", Kernel.VIRTUAL_MACHINE),
        ("io.containerd.kata.v2", "io.containerd.kata.v2", Kernel.VIRTUAL_MACHINE),
    ],
)
def test_a_runtime_is_known_by_its_name_or_its_programs(
    runtime: str, path: str, kernel: Kernel
) -> None:
    assert kernel_of(runtime, path) is kernel
