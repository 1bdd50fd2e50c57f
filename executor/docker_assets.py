"""The operator's shared files, brought to a Docker engine.

A bind mount would need the files on the engine's own disk. A volume does not: it is filled
through the API, once for each content, and mounted read-only into every sandbox.
"""

from typing import Any

import docker.errors  # noqa: TID251 - part of the adapter

from executor.docker_spec import (
    ASSETS_ROLE,
    OWNER_LABEL,
    ROLE_LABEL,
    container_name,
    filler_spec,
)
from executor.policy import SHARED
from executor.shared_assets import AssetArchive

HTTP_CONFLICT = 409


def fill_volume(api: Any, archive: AssetArchive, *, image: str, owner: str) -> None:
    """Make sure that the engine has the owner's volume of `archive`. Safe to repeat.

    The volume is filled through a container that is never started, so that nothing of it
    can take part (CVE-2018-15664, CVE-2019-14271). A volume counts as filled by its
    marker, which is written last.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    labels = {ROLE_LABEL: ASSETS_ROLE, OWNER_LABEL: owner}
    name = archive.name(owner)
    filled = f"{name}-filled"
    if any(volume["Name"] == filled for volume in api.volumes()["Volumes"] or ()):
        return
    api.create_volume(name, labels=labels)
    container = container_name()
    api.create_container_from_config(
        filler_spec(image=image, owner=owner, volume=name), container
    )
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
