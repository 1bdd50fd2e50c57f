"""The operator's shared files, as one archive for whichever engine makes the sandboxes."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""Most that a folder of shared assets may hold; the archive is built in memory."""

PREFIX = "code-command-shared-"
"""How the names of the places begin that hold such files."""


class SharedAssetsError(Exception):
    """The folder cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetArchive:
    """The files as an uncompressed tar, and a digest of exactly this content.

    Uncompressed on purpose: the engine unpacks compressed archives with programs of the
    container (GHSA-x86f-5xw2-fm2r).
    """

    digest: str
    tar: bytes

    def name(self, owner: str) -> str:
        """Name the place that holds these files for one executor.

        Each has its own: when one's files change it removes the old place, and a neighbour
        may still want that.
        """
        return f"{PREFIX}{owner}-{self.digest[:16]}"


def pack(folder: Path) -> AssetArchive:
    """Read `folder`: regular files only, owned by root, readable by all, nothing executable.

    Raises:
        SharedAssetsError: It is no folder, holds too much, or a part of it cannot be read.
    """
    try:
        if not folder.is_dir():
            raise SharedAssetsError(f"SHARED_ASSETS_PATH: {folder} is not a folder")
        return _packed(_read(folder))
    except OSError as fault:
        text = f"SHARED_ASSETS_PATH: {fault.filename} cannot be read: {fault.strerror}"
        raise SharedAssetsError(text) from fault


def _read(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    room = MAX_TOTAL_BYTES
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_symlink() or "__pycache__" in relative.parts:
            continue
        if path.is_dir():
            found[relative.as_posix()] = None
        elif path.is_file():
            room -= path.stat().st_size  # Before it is read: it may be a disk's image.
            if room < 0:
                raise SharedAssetsError(
                    f"SHARED_ASSETS_PATH: {folder} holds more than {MAX_TOTAL_BYTES} bytes"
                )
            found[relative.as_posix()] = path.read_bytes()
    return found


def pack_files(files: Mapping[str, bytes]) -> AssetArchive:
    """Pack files by their canonical relative names, and make the folders that they lie in.

    Raises:
        SharedAssetsError: A name leads elsewhere, or a file stands where a folder must be.
    """
    found: dict[str, bytes | None] = {}
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
            raise SharedAssetsError(f"SHARED_ASSETS_PATH: {name!r} is no name for a file")
        for parent in path.parents[:-1]:
            found[parent.as_posix()] = None
        found[name] = content
    for name in files:
        if found[name] is None:
            raise SharedAssetsError(f"SHARED_ASSETS_PATH: {name!r} is a file and a folder")
    return _packed(dict(sorted(found.items())))


def _packed(files: Mapping[str, bytes | None]) -> AssetArchive:
    """Pack files, and folders (`None`), each folder before what is in it."""
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            _add(archive, name, content)
            if content is None:
                digest.update(f"{name}/\0".encode())
            else:
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return AssetArchive(digest=digest.hexdigest(), tar=buffer.getvalue())


def _add(archive: tarfile.TarFile, name: str, content: bytes | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o755 if content is None else 0o644
    entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.size = len(content or b"")
    archive.addfile(entry, io.BytesIO(content or b""))
