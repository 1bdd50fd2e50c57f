"""`install.sh` of a bundle: what was there before is there until the new one is whole."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.config import CHECKOUT


class Bundle:
    """One whose packages take for ever, or cannot be had."""

    def __init__(self, folder: Path, *, packages: str) -> None:
        self.folder = folder
        module = folder / "application" / "infra" / "local" / "install_packages.py"
        module.parent.mkdir(parents=True)
        module.write_text(packages, encoding="utf-8")
        shutil.copy(CHECKOUT / "infra" / "bundle" / "install.sh", folder)
        version = f"{sys.version_info.major}.{sys.version_info.minor}\n"
        (folder / "python-version").write_text(version, encoding="ascii")
        files = [path for path in folder.rglob("*") if path.is_file()]
        sums = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
            for path in files
        ]
        (folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")

    def install(self, target: Path) -> "subprocess.Popen[str]":
        """Begin; the process has a group of its own, as at a terminal."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            (str(self.folder / "install.sh"), "--images", "none", str(target)),
            env={"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where an older one is installed."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "older").touch()
    return target


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_ctrl_c_leaves_the_older_one(tmp_path: Path, target: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    packages = f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(600)\n"
    with Bundle(tmp_path / "bundle", packages=packages).install(target) as installing:
        begun.read_text()  # Until it is at the packages.
        os.killpg(installing.pid, signal.SIGINT)
        _, said = installing.communicate(timeout=30)

    assert "nothing was changed" in said
    assert installing.returncode == 1
    assert names(target) == {"older"}
    assert not target.with_name("target.old").exists()


def test_what_a_killed_one_has_put_aside_comes_back_where_the_next_one_fails(
    tmp_path: Path, target: Path
) -> None:
    target.rename(target.with_name("target.old"))
    target.mkdir()
    (target / "half").touch()
    with Bundle(tmp_path / "bundle", packages="raise SystemExit(1)").install(target) as failing:
        failing.communicate(timeout=30)

    assert failing.returncode == 1
    assert names(target) == {"older"}
