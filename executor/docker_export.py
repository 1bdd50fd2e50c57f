"""Unpacks an image of a Docker engine into a folder, for runtimes that are driven directly."""

import json
import logging
import os
import shutil
import stat
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import docker  # noqa: TID251 - this is the adapter
import docker.errors  # noqa: TID251
import docker.utils  # noqa: TID251

from executor.docker_spec import OWNER_LABEL, ROLE_LABEL
from executor.oci_bundle import UnpackedImage
from executor.sandbox import SandboxUnavailableError

UNPACKED_ROLE = "unpacking"
CALL_TIMEOUT_S = 120
SPARE_DISK_BYTES = 512 * 1024 * 1024

_ROOT = "root"
_ABOUT = "image.json"

_log = logging.getLogger(__name__)


def unpack_image(image: str, images: Path, *, owner: str) -> UnpackedImage:
    """Return the folder of `image`, after unpacking it if that was not done yet.

    Blocks: half a minute for the 4 GB of the default image, nothing where it is there. Safe
    to repeat, and to be done by several processes: each unpacks for itself, the first one to
    end wins.

    Args:
        image: Name of an image that the engine has.
        images: Where unpacked images are kept, each in a folder that is named by its id.
        owner: Whose label the container gets that is made for this and never started.

    Raises:
        SandboxUnavailableError: The engine is away or lacks the image, or there is no room.
    """
    try:
        api = docker.APIClient(
            **docker.utils.kwargs_from_env(), version="auto", timeout=CALL_TIMEOUT_S
        )
        about = api.inspect_image(image)
        place = images / about["Id"].removeprefix("sha256:")
        if not (place / _ABOUT).exists():
            _check_room(images, needed_bytes=about["Size"])
            _log.info("unpacking %s; takes half a minute, once for each version of it", image)
            _unpack(api, about, place, owner=owner)
        return _known(place)
    except docker.errors.ImageNotFound as fault:
        raise SandboxUnavailableError(
            f"the engine has no image {image}; build it: ./code-command build"
        ) from fault
    except (docker.errors.DockerException, OSError) as fault:
        raise SandboxUnavailableError(f"{image} cannot be unpacked: {fault}") from fault


def _check_room(images: Path, *, needed_bytes: int) -> None:
    images.mkdir(parents=True, exist_ok=True, mode=0o711)
    free_bytes = shutil.disk_usage(images).free
    if free_bytes < needed_bytes + SPARE_DISK_BYTES:
        raise SandboxUnavailableError(
            f"unpacking the sandbox image takes {needed_bytes / 1e9:.1f} GB below {images},"
            f" which has {free_bytes / 1e9:.1f} GB; free some, or set SANDBOX_IMAGES_DIR, or"
            " SANDBOX_ENGINE=docker"
        )


def _unpack(api: Any, about: dict[str, Any], place: Path, *, owner: str) -> None:
    """Fill a folder beside `place` and rename it: whoever finds `place` finds all of it."""
    draft = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    root = draft / _ROOT
    root.mkdir(parents=True, mode=0o755)
    container = api.create_container_from_config(
        {
            "Image": about["Id"],
            "NetworkDisabled": True,
            "Labels": {ROLE_LABEL: UNPACKED_ROLE, OWNER_LABEL: owner},
        }
    )["Id"]
    try:
        _extract(api.export(container), root)
        _make_harmless(root)
        config = about["Config"]
        image = UnpackedImage(
            root=place / _ROOT,
            entrypoint=tuple(config["Entrypoint"]),
            environment=tuple(config["Env"]),
        )
        (draft / _ABOUT).write_text(json.dumps(asdict(image), default=str))
        draft.chmod(0o711)
        draft.rename(place)
    except OSError:
        if not (place / _ABOUT).exists():  # Else another process was first.
            raise
    finally:
        api.remove_container(container, force=True, v=True)
        shutil.rmtree(draft, ignore_errors=True)


def _extract(archive: Any, root: Path) -> None:
    """Let tar do it: Python's own takes four times as long."""
    command = ["tar", "--extract", "--numeric-owner", "--directory", str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as tar:  # noqa: S603 - fixed words
        if tar.stdin is not None:  # It is: a pipe was asked for.
            for piece in archive:
                tar.stdin.write(piece)
    if tar.returncode != 0:
        raise OSError(f"tar ended with {tar.returncode}")


def _make_harmless(root: Path) -> None:
    """Take setuid and setgid from everything: here users of the host can reach the files."""
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & 0o777)


def _known(place: Path) -> UnpackedImage:
    about = json.loads((place / _ABOUT).read_text())
    return UnpackedImage(
        root=Path(about["root"]),
        entrypoint=tuple(about["entrypoint"]),
        environment=tuple(about["environment"]),
    )
