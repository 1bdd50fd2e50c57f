"""`test` and `check`, with stand-ins for the linters: the real ones take their time."""

import json
from pathlib import Path

import pytest

from infra.local.checks import CHECKS, Check, check, run_tests
from infra.local.console import Console

CONTENT: Check = ("lint", ("platform", "--terse"))
BROKEN: Check = ("types", ("no_such_linter",))

REPORT = """\
import json, os, pathlib

def test_reports():
    pathlib.Path({path!r}).write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return tmp_path / "test_sample.py"


@pytest.fixture(autouse=True)
def _only_pytest(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - a fixture for all
    """Without the plugins that happen to be installed, whose imports take seconds."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(module: Path, *arguments: str, checks: tuple[Check, ...] = (CONTENT,)) -> int:
    # Its own root: this repository's settings are not what is tested here.
    options = (f"--rootdir={module.parent}", "-c", "/dev/null", "-p", "no:cacheprovider")
    return run_tests(
        Console(), [*options, *arguments, str(module)], with_docker=False, checks=checks
    )


def last_line(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().out.rstrip("\n").splitlines()[-1]


def test_pytests_summary_comes_last(module: Path, capfd: pytest.CaptureFixture[str]) -> None:
    module.write_text("def test_a(): pass\n", encoding="utf-8")

    assert run(module) == 0
    assert "1 passed" in last_line(capfd)


def test_a_failing_test_fails_the_whole(
    module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module.write_text("def test_a(): assert False\n", encoding="utf-8")

    assert run(module) == 1
    assert "1 failed" in last_line(capfd)


def test_a_failing_check_fails_the_whole_but_the_tests_are_run(
    module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module.write_text("def test_a(): pass\n", encoding="utf-8")

    assert run(module, checks=(BROKEN, CONTENT)) == 1
    out = capfd.readouterr().out
    assert "failed: types" in out
    assert "1 passed" in out.rstrip("\n").splitlines()[-1]


def test_no_test_at_all_is_no_success(module: Path) -> None:
    module.write_text("", encoding="utf-8")

    assert run(module) != 0


def test_arguments_reach_pytest(module: Path, capfd: pytest.CaptureFixture[str]) -> None:
    module.write_text("def test_a(): pass\ndef test_b(): pass\n", encoding="utf-8")

    assert run(module, "-k", "test_b") == 0
    assert "1 passed, 1 deselected" in last_line(capfd)


def test_without_docker_leaves_out_what_needs_it(
    module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    marked = "import pytest\n@pytest.mark.docker\ndef test_a(): pass\ndef test_b(): pass\n"
    module.write_text(marked, encoding="utf-8")

    assert run(module) == 0
    assert "1 passed, 1 deselected" in last_line(capfd)


def test_tests_do_not_see_the_services_that_a_developers_shell_names(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://in-use.example")
    monkeypatch.setenv("BROKER_URL", "redis://in-use.example")
    monkeypatch.setenv("CODE_WORK_DIR", str(tmp_path / "in-use"))
    monkeypatch.setenv("SANDBOX_RUNTIME", "runsc")
    module.write_text(REPORT.format(path=str(tmp_path / "seen")), encoding="utf-8")

    assert run(module) == 0

    seen = json.loads((tmp_path / "seen").read_text(encoding="utf-8"))
    assert "in-use" not in " ".join(seen.get(n, "") for n in ("S3_ENDPOINT_URL", "BROKER_URL"))
    assert seen["CODE_WORK_DIR"] != str(tmp_path / "in-use")
    assert not Path(seen["CODE_WORK_DIR"]).exists()
    assert seen["SANDBOX_RUNTIME"] == "runsc"


def test_check_runs_everything_and_tells_what_failed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert check(Console(), (BROKEN, CONTENT)) == 1
    assert "failed: types" in capfd.readouterr().out
    assert check(Console(), (CONTENT,)) == 0


def test_linting_formatting_and_types_are_checked() -> None:
    assert [command[0] for _, command in CHECKS] == ["ruff", "ruff", "pyright"]
