"""What the Docker engine itself says, for tests: not through the adapter that is tested."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import docker  # noqa: TID251 - an independent look at what the adapter did

from executor.docker_spec import OWNER_LABEL


@contextmanager
def _engine() -> Generator[Any]:
    client = docker.from_env()
    try:
        yield client
    finally:
        client.close()


def containers_of(owner: str, *, running_only: bool = False) -> set[str]:
    """Names of the containers, in whatever state, that carry the owner's label."""
    with _engine() as client:
        found = client.api.containers(
            all=not running_only, filters={"label": [f"{OWNER_LABEL}={owner}"]}
        )
    return {name.lstrip("/") for container in found for name in container["Names"] or ()}


def inspect(container: str) -> dict[str, Any]:
    with _engine() as client:
        return client.api.inspect_container(container)


def kill(container: str) -> None:
    with _engine() as client:
        client.api.kill(container)


def pause(container: str) -> None:
    with _engine() as client:
        client.api.pause(container)


def create_container(image: str, labels: dict[str, str]) -> str:
    """Leave a container behind, never started."""
    with _engine() as client:
        return str(client.api.create_container(image, labels=labels)["Id"])


@contextmanager
def image_by_another_name(name: str) -> Generator[str]:
    """Give the sandbox image a second name, and take it away afterwards."""
    with _engine() as client:
        usual = os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest")
        client.images.get(usual).tag(name)
        try:
            yield name
        finally:
            client.images.remove(name)


def volumes_of(owner: str) -> set[str]:
    with _engine() as client:
        found = client.api.volumes(filters={"label": [f"{OWNER_LABEL}={owner}"]})
    return {volume["Name"] for volume in found["Volumes"] or ()}


def remove_all_of(owner: str) -> None:
    """Tidy up after a test, whatever it left."""
    for name in containers_of(owner):
        with _engine() as client:
            client.api.remove_container(name, force=True)
    for name in volumes_of(owner):
        with _engine() as client:
            client.api.remove_volume(name)


def socket_path() -> str:
    """Path of the engine's socket."""
    with _engine() as client:
        address = str(client.api.base_url)
    if not address.startswith("http+docker"):
        raise RuntimeError(f"these tests need an engine on a unix socket, not {address}")
    return "/var/run/docker.sock"
