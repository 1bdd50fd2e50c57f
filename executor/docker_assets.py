"""The operator's shared files, brought to whichever engine makes the sandboxes.

A bind mount would need the files on the engine's own disk. A volume does not: it is filled
through the API, once for each content, and mounted read-only into every sandbox.
"""

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors  # noqa: TID251 - part of the adapter

from executor.docker_spec import OWNER_LABEL, ROLE_LABEL
from executor.policy import SHARED

MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""Most that a folder of shared assets may hold; the archive is built in memory."""

ASSETS_ROLE = "shared-assets"
HTTP_CONFLICT = 409


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

    def volume(self, owner: str) -> str:
        """Name the volume that holds these files for one executor.

        Each has its own: when one's files change it removes the old volume, and the engine
        would make an empty one for a neighbour that still asks for it.
        """
        return f"code-command-shared-{owner}-{self.digest[:16]}"


def pack(folder: Path) -> AssetArchive:
    """Read `folder`: regular files only, owned by root, readable by all, nothing executable.

    Raises:
        SharedAssetsError: It is no folder, or holds too much.
    """
    if not folder.is_dir():
        raise SharedAssetsError(f"SHARED_ASSETS_PATH: {folder} is not a folder")
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            name = relative.as_posix()
            if path.is_symlink() or "__pycache__" in relative.parts:
                continue
            if path.is_dir():
                _add(archive, name, None)
                digest.update(f"{name}/\0".encode())
            elif path.is_file():
                content = path.read_bytes()
                if buffer.tell() + len(content) > MAX_TOTAL_BYTES:
                    raise SharedAssetsError(
                        f"SHARED_ASSETS_PATH: {folder} holds more than {MAX_TOTAL_BYTES} bytes"
                    )
                _add(archive, name, content)
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return AssetArchive(digest=digest.hexdigest(), tar=buffer.getvalue())


def _add(archive: tarfile.TarFile, name: str, content: bytes | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o755 if content is None else 0o644
    entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.size = len(content or b"")
    archive.addfile(entry, io.BytesIO(content or b""))


def fill_volume(api: Any, archive: AssetArchive, *, image: str, owner: str) -> None:
    """Make sure that the engine has the owner's volume of `archive`. Safe to repeat.

    The volume is filled through a container that is never started, so that nothing of it
    can take part (CVE-2018-15664, CVE-2019-14271). A volume counts as filled by its
    marker, which is written last.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    labels = {ROLE_LABEL: ASSETS_ROLE, OWNER_LABEL: owner}
    name = archive.volume(owner)
    filled = f"{name}-filled"
    if any(volume["Name"] == filled for volume in api.volumes()["Volumes"] or ()):
        return
    api.create_volume(name, labels=labels)
    mount = {
        "Type": "volume",
        "Source": name,
        "Target": SHARED,
        "ReadOnly": False,
        # Without this the engine would put there what the image has at the target.
        "VolumeOptions": {"NoCopy": True},
    }
    config = {
        "Image": image,
        "Labels": labels,
        "NetworkDisabled": True,
        "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
    }
    container = api.create_container_from_config(config)["Id"]
    try:
        api.put_archive(container, SHARED, archive.tar)
    finally:
        api.remove_container(container, force=True, v=False)
    api.create_volume(filled, labels=labels)


def remove_volumes(api: Any, *, owner: str, but: str | None = None) -> int:
    """Remove this owner's volumes, `but` one; those in use stay until next time.

    Raises:
        docker.errors.APIError: The engine refused to list them.
    """
    found = api.volumes(
        filters={"label": [f"{ROLE_LABEL}={ASSETS_ROLE}", f"{OWNER_LABEL}={owner}"]}
    )
    removed = 0
    for volume in found["Volumes"] or ():
        stays = but is not None and volume["Name"].startswith(but)
        if not stays and _remove_volume(api, volume["Name"]):
            removed += 1
    return removed


def _remove_volume(api: Any, name: str) -> bool:
    """Remove a volume; a conflict (409) means that some sandbox still has it."""
    try:
        api.remove_volume(name)
    except docker.errors.APIError as refusal:
        if refusal.status_code != HTTP_CONFLICT:
            raise
        return False
    return True
