"""The locked lists are compiled from pyproject.toml, and agree with each other."""

import json
import re
import tomllib
from typing import Any

import pytest

from infra.local.config import CHECKOUT

LEVELS = ("base", "local", "dev")
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;]+)(?P<marker> ;.*?)? \\$", re.MULTILINE
)


def text_of(level: str) -> str:
    return (CHECKOUT / "requirements" / f"{level}.txt").read_text(encoding="utf-8")


def locked(level: str) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for entry in ENTRY.finditer(text_of(level)):
        versions.setdefault(entry["name"], set()).add(entry["version"])
    return versions


def named(level: str) -> set[str]:
    """Return what pyproject.toml asks for, for the service and the groups of `level`."""
    project: dict[str, Any] = tomllib.loads(
        (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    )
    lines: list[str] = list(project["project"]["dependencies"])
    for group in LEVELS[1 : LEVELS.index(level) + 1]:
        lines += project["dependency-groups"][group]
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {name[0].lower() for name in names if name}


@pytest.mark.parametrize("level", LEVELS)
def test_everything_that_is_asked_for_is_locked(level: str) -> None:
    """After a change in pyproject.toml: requirements/compile.sh."""
    assert named(level) <= set(locked(level))


def test_so_is_what_sends_traces() -> None:
    project: dict[str, Any] = tomllib.loads(
        (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    )

    assert set(project["project"]["optional-dependencies"]["traces"]) <= set(locked("traces"))


@pytest.mark.parametrize("level", [*LEVELS, "traces"])
def test_every_entry_has_a_version_and_hashes(level: str) -> None:
    entries = [line for line in text_of(level).splitlines() if re.match(r"[A-Za-z0-9]", line)]
    blocks = re.split(r"^(?=[A-Za-z0-9])", text_of(level), flags=re.MULTILINE)[1:]

    assert entries
    assert all(ENTRY.match(line + "\n") for line in entries)
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("name", ["python.lock", "node.lock"])
def test_so_has_every_entry_of_what_is_installed_into_the_image(name: str) -> None:
    text = (CHECKOUT / "sandbox" / "packages" / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]

    assert blocks
    assert all(re.match(r"[a-z0-9-]+==\S+", block) for block in blocks)
    assert all("--hash=sha256:" in block for block in blocks)


def test_so_has_every_package_of_npm() -> None:
    path = CHECKOUT / "sandbox" / "packages" / "node" / "package-lock.json"
    packages = json.loads(path.read_text(encoding="utf-8"))["packages"]
    del packages[""]  # The list itself.

    assert packages
    assert all(package["version"] for package in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


@pytest.mark.parametrize(
    ("less", "more"),
    [("base", "local"), ("local", "dev"), ("base", "traces"), ("traces", "dev")],
)
def test_the_longer_list_holds_the_shorter_one_in_the_same_versions(
    less: str, more: str
) -> None:
    assert {name: locked(more).get(name) for name in locked(less)} == locked(less)


@pytest.mark.parametrize("level", LEVELS)
def test_no_registry_is_named(level: str) -> None:
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", text_of(level))
