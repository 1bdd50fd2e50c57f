"""The units of plain hosts: systemd can read them, and they give away little."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
OURS = ("api", "executor")

MOST_EXPOSED = 16
"""Of 100, as `systemd-analyze security` counts; an ordinary service without settings has 96."""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.fail(
            "systemd-analyze is not installed (Debian, Ubuntu: apt-get install systemd)"
        )
    return subprocess.run(
        ("systemd-analyze", *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def lines_of(unit: Path, section: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit.read_text(encoding="utf-8"))
    return dict(parser[section])


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root folder with what the units name, and systemd's own units."""
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, units)
        program = tmp_path / lines_of(unit, "Service")["ExecStart"].split()[0].lstrip("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
    (units / "docker.service").write_text("[Service]\nExecStart=/bin/sh\n", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    shutil.copy("/bin/sh", tmp_path / "bin" / "sh")
    shutil.copytree(
        "/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True
    )
    return tmp_path


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, host: Path) -> None:
    done = analyze("verify", "--man=no", f"--root={host}", unit.name)

    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_find_what_is_wrong(host: Path) -> None:
    unit = host / "etc" / "systemd" / "system" / "code-command-api.service"
    unit.write_text(unit.read_text("utf-8").replace("ProtectHome=yes", "ProtectHomes=yes"))

    assert "ProtectHomes" in analyze("verify", "--man=no", f"--root={host}", unit.name).stderr


@pytest.mark.parametrize("name", OURS)
def test_a_service_gives_away_little(name: str) -> None:
    unit = FOLDER / f"code-command-{name}.service"

    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", OURS)
def test_nobody_s_user_runs_it_and_can_become_nobody_else(name: str) -> None:
    service = lines_of(FOLDER / f"code-command-{name}.service", "Service")

    assert service["User"] == "code-command"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"


def test_only_the_executor_reaches_the_engine() -> None:
    groups = {unit.stem: lines_of(unit, "Service").get("SupplementaryGroups") for unit in UNITS}

    assert {name for name, group in groups.items() if group} == {"code-command-executor"}
    assert groups["code-command-executor"] == "docker"


@pytest.mark.parametrize("name", OURS)
def test_it_starts_a_command_that_there_is_and_comes_back(name: str) -> None:
    service = lines_of(FOLDER / f"code-command-{name}.service", "Service")
    program, command = service["ExecStart"].split()

    shown = subprocess.run(
        (str(ROOT / Path(program).name), "help"), capture_output=True, text=True, check=True
    )
    assert re.search(rf"^ +{command} ", shown.stdout, re.MULTILINE)
    assert service["Restart"] == "always"


def test_an_executor_has_time_for_the_longest_run() -> None:
    service = lines_of(FOLDER / "code-command-executor.service", "Service")

    assert int(service["TimeoutStopSec"]) > 120


def test_an_engine_that_fails_at_boot_does_not_keep_the_executor_from_starting() -> None:
    unit = lines_of(FOLDER / "code-command-executor.service", "Unit")

    assert "docker.service" in unit["After"].split()
    assert "docker.service" in unit["Wants"].split()
    assert not {"Requires", "BindsTo", "Requisite"} & set(unit)
