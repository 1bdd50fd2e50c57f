"""Which versions have which known holes."""

import pytest

from executor.known_escapes import KNOWN_ESCAPES, Part, known_escapes, read_version

PROCFS = {"CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"}


def found(name: str, version: str) -> set[str]:
    return {escape.cve for escape in known_escapes(Part(name=name, version=version))}


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("1.0-rc6", True),
        ("1.0.0-rc6", True),
        ("1.0.0-rc7", False),
        ("1.0.0-rc95", False),
        ("0.1.1", True),
        ("1.1.0", False),
    ],
)
def test_the_overwritten_runc_of_2019(version: str, *, has_it: bool) -> None:
    assert ("CVE-2019-5736" in found("runc", version)) == has_it


@pytest.mark.parametrize(
    ("version", "has_it"),
    [("1.0.0-rc94", True), ("1.0.0-rc95", False), ("1.0.0", False), ("1.1.12", False)],
)
def test_the_mount_race_of_2021(version: str, *, has_it: bool) -> None:
    assert ("CVE-2021-30465" in found("runc", version)) == has_it


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("1.0.0-rc92", False),
        ("1.0.0-rc93", True),
        ("1.0.3", True),
        ("1.1.5+ds1", True),
        ("1.1.11", True),
        ("1.1.12", False),
        ("1.2.0-rc.1", False),
    ],
)
def test_the_leaked_descriptor_of_2024(version: str, *, has_it: bool) -> None:
    assert ("CVE-2024-21626" in found("runc", version)) == has_it


@pytest.mark.parametrize(
    ("version", "has_them"),
    [
        ("1.1.15", True),
        ("1.2.7", True),
        ("1.2.8", False),
        ("1.3.0", True),
        ("1.3.2", True),
        ("1.3.3", False),
        ("1.4.0-rc.2", True),
        ("1.4.0-rc.3", False),
        ("1.4.0", False),
        ("1.5.1", False),
    ],
)
def test_the_links_of_2025(version: str, *, has_them: bool) -> None:
    assert (found("runc", version) >= PROCFS) == has_them


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        (
            "18.06.1-ce",
            {
                "CVE-2018-15664",
                "CVE-2021-21284",
                "CVE-2026-41567",
                "CVE-2026-41568",
                "CVE-2026-42306",
            },
        ),
        (
            "19.03.0",
            {
                "CVE-2019-14271",
                "CVE-2021-21284",
                "CVE-2024-41110",
                "CVE-2026-41567",
                "CVE-2026-41568",
                "CVE-2026-42306",
            },
        ),
        (
            "20.10.24+dfsg1",
            {"CVE-2024-41110", "CVE-2026-41567", "CVE-2026-41568", "CVE-2026-42306"},
        ),
        ("27.1.1", {"CVE-2026-41567", "CVE-2026-41568", "CVE-2026-42306"}),
        ("29.5.1", set[str]()),
    ],
)
def test_engines(version: str, cves: set[str]) -> None:
    assert found("docker", version) == cves


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        ("1.6.20~ds1", {"CVE-2024-25621", "CVE-2024-40635"}),
        ("v1.7.27", {"CVE-2024-25621"}),
        ("1.7.29", set[str]()),
        ("2.2.0-rc.0", {"CVE-2024-25621"}),
        ("2.2.0", set[str]()),
    ],
)
def test_containerd(version: str, cves: set[str]) -> None:
    assert found("containerd", version) == cves


def test_of_a_version_that_cannot_be_read_everything_is_assumed() -> None:
    assert found("runc", "unknown-version") >= PROCFS | {"CVE-2019-5736"}


def test_of_a_program_that_is_not_in_the_table_nothing_is_said() -> None:
    assert found("docker-init", "0.19.0") == set()


@pytest.mark.parametrize("escape", KNOWN_ESCAPES, ids=lambda escape: escape.cve)
def test_no_version_that_mends_a_hole_is_said_to_have_it(escape: object) -> None:
    row = next(known for known in KNOWN_ESCAPES if known is escape)

    assert all(read_version(version) for version in (*row.fixed_in, row.since))
    assert all(row.cve not in found(row.part, version) for version in row.fixed_in)
