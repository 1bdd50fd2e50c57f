"""Images of a Docker engine as archives, for runtimes that are driven directly."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker  # noqa: TID251 - this is the adapter
import docker.errors  # noqa: TID251
import docker.utils  # noqa: TID251

from executor.docker_spec import OWNER_LABEL, ROLE_LABEL
from executor.sandbox import SandboxUnavailableError

UNPACKING_ROLE = "unpacking"
CALL_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineImage:
    """What the engine says of one image."""

    digest: str
    """64 hexadecimal characters; another content has another one."""
    size_bytes: int
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    """As `NAME=value`."""
    labels: Mapping[str, str]


class EngineImages:
    """The images of one engine. Blocks."""

    def __init__(self, api: Any, *, owner: str) -> None:
        self._api = api
        self._owner = owner

    def find(self, name: str) -> EngineImage:
        """Return what is known of an image.

        Raises:
            SandboxUnavailableError: The engine has none of that name, or does not answer.
        """
        try:
            about = self._api.inspect_image(name)
        except docker.errors.ImageNotFound as fault:
            raise SandboxUnavailableError(
                f"the engine has no image {name}; build it: ./code-command build"
            ) from fault
        except OSError as fault:  # The connection broke: requests' errors are none of Docker's.
            raise SandboxUnavailableError(f"Docker, which has the image: {fault}") from fault
        config = about["Config"]
        return EngineImage(
            digest=about["Id"].removeprefix("sha256:"),
            size_bytes=about["Size"],
            entrypoint=tuple(config.get("Entrypoint") or config.get("Cmd") or ()),
            environment=tuple(config.get("Env") or ()),
            labels=config.get("Labels") or {},
        )

    def has(self, digest: str) -> bool:
        """Whether the engine still has the image of that digest."""
        try:
            self._api.inspect_image(f"sha256:{digest}")
        except docker.errors.ImageNotFound:
            return False
        return True

    @contextmanager
    def exported(self, image: EngineImage) -> Generator[Iterator[bytes]]:
        """Give the image's files as an uncompressed tar, in pieces.

        It takes a container, which is never started and has the owner's label: one that an
        executor which was killed leaves behind is found by that.
        """
        container = self._api.create_container_from_config(
            {
                "Image": f"sha256:{image.digest}",
                "NetworkDisabled": True,
                "Labels": {ROLE_LABEL: UNPACKING_ROLE, OWNER_LABEL: self._owner},
            }
        )["Id"]
        try:
            yield self._api.export(container)
        finally:
            self._api.remove_container(container, force=True, v=True)


@contextmanager
def engine_images(*, owner: str) -> Generator[EngineImages]:
    """Connect to the engine that `DOCKER_HOST` names, or this host's.

    Raises:
        SandboxUnavailableError: It does not answer, or refuses.
    """
    try:
        api = docker.APIClient(
            **docker.utils.kwargs_from_env(), version="auto", timeout=CALL_TIMEOUT_S
        )
        try:
            yield EngineImages(api, owner=owner)
        finally:
            api.close()
    except docker.errors.DockerException as fault:
        raise SandboxUnavailableError(f"Docker, which has the image: {fault}") from fault
