"""The script that people type."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.config import CHECKOUT

SCRIPT = CHECKOUT / "code-command"
COMMANDS = (
    *(
        "up",
        "doctor",
        "test",
        "check",
        "audit",
        "fuzz",
        "build",
        "sbom",
        "init",
        "api",
        "executor",
    ),
    "help",
)


def run(
    *command: str | Path, cwd: Path = Path("/"), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A clean clone: no virtual environment yet, and a path with a space in it."""
    checkout = tmp_path / "a checkout"
    (checkout / "infra").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout)
    shutil.copy(CHECKOUT / "infra" / "__init__.py", checkout / "infra")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "infra" / "local", checkout / "infra" / "local", ignore=ignored)
    return checkout


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)], ids=["bare", "help", "-h"])
def test_it_prints_its_commands_without_installing_anything(
    bare_checkout: Path, arguments: tuple[str, ...]
) -> None:
    done = run(bare_checkout / "code-command", *arguments)

    assert done.returncode == 0
    assert all(f"\n    {command} " in done.stdout for command in COMMANDS)
    assert done.stderr == ""
    assert not (bare_checkout / ".venv").exists()


def test_it_works_through_links_from_any_folder(bare_checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cc").symlink_to(f"../{bare_checkout.name}/code-command")
    (tmp_path / "bin" / "code").symlink_to(tmp_path / "bin" / "cc")

    done = run("code", cwd=tmp_path, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    assert done.returncode == 0
    assert "usage: code-command" in done.stdout


def test_it_works_by_a_relative_path_and_through_sh(bare_checkout: Path) -> None:
    assert run("./code-command", cwd=bare_checkout).returncode == 0
    assert run("sh", "code-command", cwd=bare_checkout).returncode == 0


def test_modules_of_the_current_folder_and_of_a_persons_path_are_not_taken_for_ours(
    bare_checkout: Path, tmp_path: Path
) -> None:
    for name in ("infra.py", "argparse.py", "fcntl.py"):
        (tmp_path / name).write_text("raise SystemExit('fooled')\n", encoding="utf-8")

    done = run(
        bare_checkout / "code-command",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
        PYTHONHOME="/nonexistent",
        VIRTUAL_ENV="/nonexistent",
    )

    assert done.returncode == 0, done.stderr
    assert "usage: code-command" in done.stdout


def test_a_stand_in_that_does_not_start_is_passed_over(
    bare_checkout: Path, tmp_path: Path
) -> None:
    """Version managers put a `python3` on PATH that may only print that it has none."""
    folder = tmp_path / "shims"
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\necho no version set >&2\nexit 127\n")
    (folder / "python3").chmod(0o755)
    (folder / "python3.12").symlink_to(sys.executable)

    done = run(bare_checkout / "code-command", PATH=f"{folder}:/usr/bin:/bin")

    assert done.returncode == 0
    assert "usage: code-command" in done.stdout


def test_without_a_python_it_says_what_to_install(bare_checkout: Path, tmp_path: Path) -> None:
    for tool in ("dirname", "readlink", "cat"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")

    done = run("/bin/sh", bare_checkout / "code-command", "up", PATH=str(tmp_path))

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "apt-get install -y python3" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("dance",), "there is no command 'dance'; `code-command help` lists them"),
        (("statsu",), "there is no command 'statsu'; did you mean status?"),
        (("up", "--port", "0"), "'0' is not a port"),
        (("up", "--port", "eighty"), "'eighty' is not a port"),
        (("fuzz", "--seconds", "0"), "'0' is not a number of seconds"),
        (("up", "--bogus"), "code-command up: error: unrecognized arguments: --bogus"),
        (("--bogus",), "code-command: error: unrecognized arguments: --bogus"),
        (("check", "tests"), "unrecognized arguments: tests"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_installed(
    bare_checkout: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = run(bare_checkout / "code-command", *arguments)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (bare_checkout / ".venv").exists()


def test_help_for_making_a_key_has_the_options_of_that() -> None:
    done = run(SCRIPT, "keys", "create", "--help")

    assert done.returncode == 0
    assert "usage: code-command keys create" in done.stdout
    assert "--expires-in" in done.stdout


@pytest.mark.parametrize(
    ("output", "complaint"),
    [("missing/bundle.tar", "nothing can be written in"), (".", "is a folder")],
)
def test_a_bundle_that_could_not_be_written_is_not_begun(
    tmp_path: Path, output: str, complaint: str
) -> None:
    done = run(SCRIPT, "bundle", "--output", tmp_path / output, CODE_WORK_DIR=str(tmp_path))

    assert done.returncode == 1
    assert complaint in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_secrets_for_compose_need_no_installation(bare_checkout: Path) -> None:
    done = run(bare_checkout / "code-command", "init")

    assert done.returncode == 0, done.stderr
    assert "CODE_API_KEY=" in (bare_checkout / "infra" / ".env").read_text(encoding="utf-8")
    assert not (bare_checkout / ".venv").exists()


def test_the_shell_scripts_are_executable() -> None:
    for script in (SCRIPT, CHECKOUT / ".ci" / "run", CHECKOUT / "requirements" / "compile.sh"):
        assert os.access(script, os.X_OK), script
