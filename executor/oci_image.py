"""Images unpacked into folders, once for each content, and removed when nobody needs them."""

import fcntl
import json
import logging
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from executor.docker_export import EngineImage, EngineImages, engine_images
from executor.oci_bundle import UnpackedImage
from executor.sandbox import SandboxUnavailableError

SPARE_DISK_BYTES = 512 * 1024 * 1024

_OURS = re.compile(r"([0-9a-f]{64})(?:\.([0-9]+))?")
"""The digest of an image; and while one is being unpacked, the process that does it."""

_ROOT = "root"
_ABOUT = "image.json"

_log = logging.getLogger(__name__)


class UnpackedImages:
    """A folder of images, each in a folder named by its digest. Several processes may share it.

    One that is used is locked by whoever uses it, until that process ends.
    """

    def __init__(self, folder: Path, *, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        self._held: int | None = None

    def open(self, name: str) -> UnpackedImage:
        """Return the unpacked image of that name, after unpacking it if that was not done yet.

        Blocks: half a minute for the 4 GB of the default image, nothing where it is there. Safe
        to repeat, and to be done by several processes: each unpacks for itself, the first one
        to end wins. Images that the engine has no longer are removed, unless they are in use.

        Raises:
            SandboxUnavailableError: The engine is away or lacks the image, or there is no room.
        """
        try:
            with engine_images(owner=self._owner) as images:
                found = images.find(name)
                place = self._folder / found.digest
                if not (place / _ABOUT).exists():
                    self._check_room(found)
                    _log.info("unpacking %s: half a minute, once for each version", name)
                    self._unpack(images, found, place)
                self._hold(place)
                self._remove_unneeded(images, but=place)
                return _read(place)
        except OSError as fault:
            raise SandboxUnavailableError(f"{name} cannot be unpacked: {fault}") from fault

    def close(self) -> None:
        """Use it no longer."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _check_room(self, image: EngineImage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < image.size_bytes + SPARE_DISK_BYTES:
            raise SandboxUnavailableError(
                f"unpacking the sandbox image takes {image.size_bytes / 1e9:.1f} GB below"
                f" {self._folder}, which has {free_bytes / 1e9:.1f} GB; free some, or set"
                " SANDBOX_IMAGES_DIR, or SANDBOX_ENGINE=docker"
            )

    @staticmethod
    def _unpack(images: EngineImages, image: EngineImage, place: Path) -> None:
        """Fill a folder beside `place` and rename it: whoever finds `place` finds all of it."""
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        root = draft / _ROOT
        root.mkdir(parents=True, mode=0o755)
        try:
            with images.exported(image) as archive:
                _extract(archive, root)
            _make_harmless(root)
            about = {"entrypoint": image.entrypoint, "environment": image.environment}
            (draft / _ABOUT).write_text(json.dumps(about))
            draft.chmod(0o711)
            draft.rename(place)
        except OSError:
            if not (place / _ABOUT).exists():  # Else another process was first.
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _hold(self, place: Path) -> None:
        self.close()
        self._held = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._held, fcntl.LOCK_SH)

    def _remove_unneeded(self, images: EngineImages, *, but: Path) -> None:
        """Remove what was unpacked of images that are gone, 4 GB each."""
        for place in self._folder.iterdir():
            named = _OURS.fullmatch(place.name)
            if named is None:
                continue  # Such as `lost+found`, where a disk is mounted here.
            digest, process = named.groups()
            if process:
                needed = Path(f"/proc/{process}").exists()
            else:
                needed = place == but or images.has(digest)
            if not needed:
                _remove_unused(place)


def _remove_unused(place: Path) -> None:
    with suppress(FileNotFoundError):  # Another process does the same.
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            _log.info("removing %s, which the engine no longer has", place)
            shutil.rmtree(place, ignore_errors=True)
        finally:
            os.close(descriptor)


def _extract(archive: Iterable[bytes], root: Path) -> None:
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


def _read(place: Path) -> UnpackedImage:
    about = json.loads((place / _ABOUT).read_text())
    return UnpackedImage(
        root=place / _ROOT,
        entrypoint=tuple(about["entrypoint"]),
        environment=tuple(about["environment"]),
    )
