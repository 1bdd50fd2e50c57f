"""Which engine makes an executor's sandboxes."""

from collections.abc import Mapping
from pathlib import Path

from executor.docker_engine import DockerEngine, data_root
from executor.docker_export import engine_images
from executor.oci_engine import OciEngine
from executor.policy import SandboxPolicy
from executor.sandbox import SandboxEngine
from executor.settings import ExecutorSettings
from executor.shared_assets import AssetArchive


def make_engine(settings: ExecutorSettings, assets: AssetArchive) -> SandboxEngine:
    """Return the engine that `SANDBOX_ENGINE` names; `assets` are what sandboxes share."""
    policy = SandboxPolicy.from_settings(settings)
    owner = settings.code_executor_id
    if settings.sandbox_engine == "docker":
        return DockerEngine(policy, owner=owner, assets=assets)
    return OciEngine(policy, owner=owner, assets=assets, images=settings.sandbox_images_dir)


def disk_of(settings: ExecutorSettings) -> Path | None:
    """Return a folder on the disk that images and sandboxes fill; `None`: another host's.

    Blocks while the engine is asked.

    Raises:
        SandboxUnavailableError: It does not answer.
    """
    return data_root() if settings.sandbox_engine == "docker" else settings.sandbox_images_dir


def image_labels(settings: ExecutorSettings) -> Mapping[str, str]:
    """Return what the sandbox image says of itself. Blocks while the engine is asked.

    Raises:
        SandboxUnavailableError: It does not answer, or has no such image.
    """
    with engine_images(owner=settings.code_executor_id) as images:
        return images.find(settings.sandbox_image).labels
