"""`bundle`: one file with everything that a site without a network needs."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from infra.images.build import STAND_INS, build_service_image, service_image_name
from infra.local.config import CHECKOUT, Config
from infra.local.console import Console
from infra.local.engine_setup import NAME as DOCKERD
from infra.local.engine_setup import ensure_engine
from infra.local.errors import BadSettingError, LocalError
from infra.local.image import ensure_sandbox_image
from infra.local.image_docker import ask, find_docker
from infra.local.supervisor import Supervisor
from infra.local.work_dir import open_work_dir

APPLICATION = (
    *("code-command", "pyproject.toml", "LICENSE", ".env.example"),
    *("README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "docs"),
    *(
        "api",
        "executor",
        "storage",
        "telemetry",
        "sandbox",
        "infra",
        "shared_assets",
        "requirements",
    ),
)
"""What is installed. Tests stay behind."""

SANDBOX = "sandbox"
"""The name of the one image that an executor's host needs; infra/bundle/install.sh knows it."""

_NOT_INSTALLED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".env", ".terraform*", "*.tfstate*"
)
_TAIL_LINES = 15


def bundle(config: Config, console: Console, *, output: Path | None) -> int:
    """Build what is missing, and write the bundle; print its path and its SHA-256.

    Raises:
        LocalError: There is no engine, an image is missing, packages cannot be had, or
            `output` cannot be written.
    """
    target = output or Path.cwd() / f"{_name()}.tar"
    _refuse_bad_output(target)
    work_dir = open_work_dir(config.work_dir)
    with Supervisor(console) as supervisor:
        ensure_engine(supervisor, console, work_dir.log(DOCKERD))
        ensure_sandbox_image(
            config.sandbox_image, console.say, languages=config.sandbox_languages
        )
        build_service_image(console.say)
        images = {SANDBOX: config.sandbox_image, "service": service_image_name()}
        images |= _of_others(console)
        made = make_bundle(console, target, images)
    console.plain(f"{_sha256(made)}  {made}")
    return 0


def _refuse_bad_output(target: Path) -> None:
    """Say so before anything is built, which takes minutes."""
    if target.is_dir():
        raise BadSettingError(f"--output {target} is a folder; give the name of a file in it")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BadSettingError(
            f"--output {target}: nothing can be written in {target.parent}; make that folder,"
            " or choose another"
        )


def make_bundle(console: Console, output: Path, images: Mapping[str, str]) -> Path:
    """Write the application, its packages and `images` (by the name of their file).

    The packages are for the Python and the kind of machine that this process runs on.

    Raises:
        LocalError: An image is not there, or packages cannot be had.
    """
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".bundle-") as name:
        folder = Path(name) / _name()
        _copy_application(folder / "application")
        shutil.copy(CHECKOUT / "infra" / "bundle" / "install.sh", folder)
        version = f"{sys.version_info.major}.{sys.version_info.minor}\n"
        (folder / "python-version").write_text(version, encoding="ascii")
        _fetch_packages(folder / "wheels", console)
        (folder / "images").mkdir()
        for file, image in images.items():
            console.say(f"saving {image}")
            _save(image, folder / "images" / f"{file}.tar.gz")
        _write_sums(folder)
        unfinished = Path(name) / "bundle.tar"
        with tarfile.open(unfinished, "w") as archive:
            archive.add(folder, folder.name, filter=_nobody_s)
        unfinished.rename(output)
    return output


def _name() -> str:
    return service_image_name().replace(":", "-")  # code-command-0.1.0


def _of_others(console: Console) -> dict[str, str]:
    """Return the images of others that compose needs, of those that are here."""
    found: dict[str, str] = {}
    for image in (stand_in.name for stand_in in STAND_INS):
        if ask(find_docker(), "image", "inspect", "--format", "{{.Id}}", image) is None:
            console.say(f"{image} is not here, and so not in the bundle")
        else:
            found[image.partition(":")[0].replace("/", "-")] = image
    return found


def _copy_application(target: Path) -> None:
    target.mkdir(parents=True)
    for name in APPLICATION:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_NOT_INSTALLED)
        else:
            shutil.copy(source, target / name)


def _fetch_packages(folder: Path, console: Console) -> None:
    console.say("fetching the packages of requirements/local.txt")
    options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet")
    command = (sys.executable, "-m", "pip", "download", *options)
    listed = ("--requirement", str(CHECKOUT / "requirements" / "local.txt"))
    done = subprocess.run(
        (*command, *listed, "--dest", str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_NO_INPUT": "1"},
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-_TAIL_LINES:])
        raise LocalError(f"the packages cannot be fetched:\n{tail}")


def _save(image: str, target: Path) -> None:
    docker = find_docker().program
    save = (docker, "save", image)
    with target.open("wb") as file, subprocess.Popen(save, stdout=subprocess.PIPE) as saving:
        packed = subprocess.run(
            ("gzip", "-1"), stdin=saving.stdout, stdout=file, check=False
        ).returncode
    if saving.returncode or packed:
        raise LocalError(f"{image} cannot be saved: is there such an image?")


def _write_sums(folder: Path) -> None:
    """List every file's hash, as `sha256sum` reads it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{_sha256(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nobody_s(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
