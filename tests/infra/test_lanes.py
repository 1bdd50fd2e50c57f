"""The lanes of `./code-command test`, on a small tree of tests in the place of ours."""

import os
from pathlib import Path

import pytest

from infra.local import lanes as lanes_module
from infra.local.console import Console
from infra.local.lanes import LANES, Lanes, outcomes
from tests.live.running_service import eventually

FOLDERS = tuple(
    f"tests/{name}"
    for name in (
        *("security", "faults", "contracts", "e2e"),
        *("sandbox", "traps", "live", "api"),
    )
)
SETTINGS = """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-ra"]
testpaths = ["tests"]
markers = ["docker"]
"""
NOTE = """
import pathlib, pytest
SEEN = pathlib.Path({seen!r})

def note(line):
    with SEEN.open("a") as file:
        file.write(line + chr(10))
"""
IN_BOTH_WAYS = """
def test_plain():
    note('plain {folder}')

@pytest.mark.docker
def test_with_docker():
    note('docker {folder}')
"""
FAILS_ONCE = """
def test_of_time():
    seen = SEEN.read_text()
    note('tried')
    assert 'tried' in seen
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """What the tests of the tree write into."""
    seen = tmp_path / "seen"
    seen.touch()
    return seen


@pytest.fixture
def checkout(tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with a test of each kind in each folder."""
    # Without the plugins that happen to be installed, whose imports take seconds.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    root = tmp_path / "checkout"
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
        module = root / folder / f"test_{Path(folder).name}.py"
        module.write_text(NOTE.format(seen=str(seen)) + IN_BOTH_WAYS.format(folder=folder))
    (root / "pyproject.toml").write_text(SETTINGS)
    return root


def lanes_of(checkout: Path) -> Lanes:
    return Lanes(Console(), checkout.parent / "lanes", dict(os.environ), checkout)


def run(checkout: Path) -> int:
    return lanes_of(checkout).run()


def last_line(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().out.rstrip("\n").splitlines()[-1]


def test_each_test_is_in_one_lane(
    checkout: Path, seen: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(checkout) == 0

    expected = [f"{kind} {folder}" for kind in ("docker", "plain") for folder in FOLDERS]
    assert sorted(seen.read_text().splitlines()) == sorted(expected)
    assert f"{len(LANES)} lanes: 16 passed in" in last_line(capfd)


def test_a_lane_that_has_begun_before_is_run_once(
    checkout: Path, seen: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lanes = lanes_of(checkout)
    lanes.begin()
    begun = [f"plain {folder}" for folder in FOLDERS]
    eventually(lambda: len(seen.read_text().splitlines()) == len(begun), "the first lane runs")
    assert sorted(seen.read_text().splitlines()) == sorted(begun)

    assert lanes.run() == 0

    assert len(seen.read_text().splitlines()) == 2 * len(FOLDERS)
    assert f"{len(LANES)} lanes: 16 passed in" in last_line(capfd)


def test_what_was_begun_can_be_ended(
    checkout: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_module, "PATIENCE_S", (0.1, 60.0))
    (checkout / "tests/api/test_long.py").write_text(
        NOTE.format(seen=str(seen))
        + "import time\ndef test_a():\n    note('long')\n    time.sleep(600)\n"
    )
    lanes = lanes_of(checkout)
    lanes.begin()
    eventually(lambda: "long" in seen.read_text(), "it runs")
    assert lanes.running == ["without Docker"]

    lanes.end()

    assert lanes.running == []


def test_what_fails_beside_others_and_passes_alone_is_told(
    checkout: Path, seen: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkout / "tests/api/test_time.py").write_text(NOTE.format(seen=str(seen)) + FAILS_ONCE)

    assert run(checkout) == 0

    assert seen.read_text().count("tried") == 2
    out = capfd.readouterr().out
    assert "without Docker: 1 failed beside others; now alone" in out
    assert "1 failed, 16 passed; what failed has passed alone in" in out.splitlines()[-1]


def test_what_fails_twice_fails_the_whole(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkout / "tests/api/test_broken.py").write_text("def test_a(): assert False\n")

    assert run(checkout) == 1
    assert "1 failed, 16 passed in" in last_line(capfd)


def test_a_module_that_cannot_be_imported_fails_the_whole(checkout: Path) -> None:
    (checkout / "tests/api/test_broken.py").write_text("import no_such_module\n")

    assert run(checkout) != 0


def test_a_lane_without_tests_fails_the_whole(checkout: Path) -> None:
    for folder in ("security", "faults"):
        (checkout / f"tests/{folder}/test_{folder}.py").write_text("def test_a(): pass\n")

    assert run(checkout) != 0


@pytest.mark.parametrize(
    ("summary", "counts"),
    [
        ("==== 4 failed, 1489 passed, 3 deselected, 1 error in 1850.14s (0:30:50) ====",
         {"failed": 4, "passed": 1489, "error": 1}),
        ("2 passed, 2 errors in 0.1s", {"passed": 2, "error": 2}),
        ("no tests ran in 0.01s", {}),
    ],
)  # fmt: skip
def test_outcomes_are_counted(summary: str, counts: dict[str, int]) -> None:
    assert outcomes(summary) == counts
