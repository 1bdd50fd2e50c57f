"""Which engine makes an executor's sandboxes."""

from executor.docker_engine import DockerEngine
from executor.oci_engine import OciEngine
from executor.policy import SandboxPolicy
from executor.sandbox import SandboxEngine
from executor.settings import ExecutorSettings
from executor.shared_assets import pack


def make_engine(settings: ExecutorSettings) -> SandboxEngine:
    """Return the engine that `SANDBOX_ENGINE` names.

    Raises:
        SharedAssetsError: `SHARED_ASSETS_PATH` cannot be used.
    """
    policy = SandboxPolicy.from_settings(settings)
    owner = settings.code_executor_id
    assets = pack(settings.shared_assets_path)
    if settings.sandbox_engine == "docker":
        return DockerEngine(policy, owner=owner, assets=assets)
    return OciEngine(policy, owner=owner, assets=assets, images=settings.sandbox_images_dir)
