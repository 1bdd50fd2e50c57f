"""The virtual environment, made for real from a wheel of our own: no registry is asked."""

import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.local.console import Console
from infra.local.errors import LocalError
from infra.local.own_python import Level, OwnPython

QUIET = Console(quiet=True)


def wheel(folder: Path, name: str) -> Path:
    """Make the smallest wheel that pip installs: one module, called `name`."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "here = True\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def locked(*wheels: Path) -> str:
    lines = (
        f"{path.name.split('-')[0]} @ {path.as_uri()} "
        f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in wheels
    )
    return "".join(lines)


def lists(checkout: Path, wheels: Path) -> OwnPython:
    (checkout / "requirements").mkdir(parents=True)
    own = OwnPython(checkout)
    service, servers, tests = (
        wheel(wheels, f"our{name}") for name in ("service", "servers", "tests")
    )
    own.requirements("base").write_text(locked(service), encoding="utf-8")
    own.requirements("local").write_text(locked(service, servers), encoding="utf-8")
    own.requirements("dev").write_text(locked(service, servers, tests), encoding="utf-8")
    return own


def has(own: OwnPython, module: str) -> bool:
    command = (str(own.program), "-I", "-c", f"import {module}")
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def bare(tmp_path: Path) -> OwnPython:
    """A clean clone."""
    return lists(tmp_path / "checkout", tmp_path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> OwnPython:
    """Made once, since it takes seconds."""
    folder = tmp_path_factory.mktemp("template")
    own = lists(folder / "checkout", folder)
    own.ensure("base", QUIET)
    return own


@pytest.fixture
def own(template: OwnPython, tmp_path: Path) -> OwnPython:
    """A checkout in which `base` is installed."""
    shutil.copytree(template.checkout, tmp_path / "checkout", symlinks=True)
    return OwnPython(tmp_path / "checkout")


def test_it_is_made_and_then_left_alone(bare: OwnPython) -> None:
    assert not bare.provides("base")
    said = io.StringIO()

    bare.ensure("local", Console(said))

    assert bare.provides("local")
    assert has(bare, "ourservice")
    assert has(bare, "ourservers")
    assert not has(bare, "ourtests")
    assert "first start" in said.getvalue()
    assert "installing 2 packages (requirements/local.txt)" in said.getvalue()
    made_at = (bare.folder / "pyvenv.cfg").stat().st_mtime_ns
    bare.ensure("local", QUIET)
    assert (bare.folder / "pyvenv.cfg").stat().st_mtime_ns == made_at


def test_what_includes_more_serves_for_less_and_is_added_to(own: OwnPython) -> None:
    assert own.provides("base")
    assert not own.provides("dev")

    own.ensure("dev", QUIET)

    levels: tuple[Level, ...] = ("base", "local", "dev")
    assert all(own.provides(level) for level in levels)
    assert has(own, "ourtests")


def test_a_changed_list_is_installed_without_losing_what_the_tests_need(
    own: OwnPython, tmp_path: Path
) -> None:
    own.ensure("dev", QUIET)
    more = wheel(tmp_path, "ournews")
    for level in ("base", "local", "dev"):
        file = own.requirements(level)
        file.write_text(file.read_text(encoding="utf-8") + locked(more), encoding="utf-8")
    assert not own.provides("base")

    own.ensure("base", QUIET)

    assert own.provides("dev")
    assert has(own, "ournews")


def test_an_interrupted_installation_is_repeated_from_the_start(own: OwnPython) -> None:
    """Pip takes a package that it left half-written for one that it has installed."""
    (own.folder / "code-command-installed").write_text("", encoding="ascii")
    (own.folder / "half-written").touch()
    assert not own.provides("base")

    own.ensure("base", QUIET)

    assert own.provides("base")
    assert not (own.folder / "half-written").exists()


def test_a_package_with_another_hash_is_refused(own: OwnPython) -> None:
    file = own.requirements("local")
    good = file.read_text(encoding="utf-8")
    file.write_text(good.rpartition("sha256:")[0] + "sha256:" + "0" * 64, encoding="utf-8")

    with pytest.raises(LocalError, match=r"(?s)pip install.*DO NOT MATCH THE HASHES"):
        own.ensure("local", QUIET)

    assert not own.provides("base")
    assert not has(own, "ourservers")


def test_an_environment_of_somebody_elses_is_not_touched(bare: OwnPython) -> None:
    bare.folder.mkdir()
    (bare.folder / "pyvenv.cfg").write_text("theirs", encoding="utf-8")

    with pytest.raises(LocalError, match="move it away"):
        bare.ensure("base", QUIET)

    assert (bare.folder / "pyvenv.cfg").read_text(encoding="utf-8") == "theirs"


def test_one_whose_python_is_gone_is_made_again(own: OwnPython) -> None:
    own.program.unlink()
    own.program.symlink_to("/usr/bin/python-that-was-upgraded-away")
    assert not own.provides("base")

    own.ensure("base", QUIET)

    assert has(own, "ourservice")


def test_a_persons_own_pip_settings_do_not_lead_elsewhere(
    own: OwnPython, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    own.ensure("local", QUIET)

    assert has(own, "ourservers")
    assert not (tmp_path / "elsewhere").exists()
