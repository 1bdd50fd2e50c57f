"""A bundle is made, carried into an empty folder, and installed with no index to ask."""

import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.bundle import SANDBOX, make_bundle
from infra.local.console import Console
from tests.live.compose_stack import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

NO_INDEX = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_RETRIES": "0",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of a few bytes: the sandbox's own has gigabytes."""
    empty = tmp_path_factory.mktemp("image") / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    name = f"code-command-bundle-test:{secrets.token_hex(4)}"
    docker("import", str(empty), name)
    yield name
    docker("image", "rm", name)


@pytest.fixture(scope="module")
def unpacked(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    made = make_bundle(Console(quiet=True), folder / "bundle.tar", {SANDBOX: image})
    with tarfile.open(made) as archive:
        archive.extractall(folder, filter="data")
    made.unlink()
    (root,) = folder.iterdir()
    return root


def install(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ
    }
    return subprocess.run(
        (str(unpacked / "install.sh"), *arguments),
        env={**kept, **NO_INDEX},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_it_installs_where_no_index_answers_and_brings_its_images(
    unpacked: Path, image: str, tmp_path: Path
) -> None:
    docker("image", "rm", image)

    done = install(unpacked, str(tmp_path / "here"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert docker("image", "inspect", "--format", "{{.Id}}", image).startswith("sha256:")
    shown = subprocess.run(
        (str(tmp_path / "here" / "code-command"), "help"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "executor" in shown.stdout
    # Two parts that need most of the packages; refused for their settings, not their imports.
    for part in ("api", "executor"):
        begun = subprocess.run(
            (str(tmp_path / "here" / "code-command"), part),
            env={
                "PATH": os.environ["PATH"],
                "CODE_PORT": "none",
                "CPU_LIMIT": "none",
                **NO_INDEX,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert begun.returncode == 2
        assert "none" in begun.stderr


def test_a_damaged_bundle_changes_nothing(unpacked: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "kept").touch()
    damaged = unpacked / "application" / "LICENSE"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole + b"x")

    done = install(unpacked, "--images", "none", str(there))

    damaged.write_bytes(whole)
    assert done.returncode != 0
    assert "damaged" in done.stderr
    assert (there / "kept").exists()


def test_one_for_another_python_says_so(unpacked: Path, tmp_path: Path) -> None:
    version = unpacked / "python-version"
    sums = unpacked / "SHA256SUMS"
    before = (version.read_bytes(), sums.read_bytes())
    version.write_text("2.7\n", encoding="ascii")
    kept = [
        line for line in sums.read_text("utf-8").splitlines() if "python-version" not in line
    ]
    sums.write_text("\n".join(kept) + "\n", encoding="utf-8")

    done = install(unpacked, "--images", "none", str(tmp_path / "there"))

    version.write_bytes(before[0])
    sums.write_bytes(before[1])
    assert done.returncode != 0
    assert "Python 2.7" in done.stderr
    assert not (tmp_path / "there").exists()
