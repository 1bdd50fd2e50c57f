"""`build`: the images, without starting anything that lasts."""

from infra.images.build import build_service_image, service_image_name
from infra.local.config import Config
from infra.local.console import Console
from infra.local.engine_setup import NAME as DOCKERD
from infra.local.engine_setup import ensure_engine
from infra.local.image import ensure_sandbox_image
from infra.local.sbom import ensure_sbom, report_sbom
from infra.local.supervisor import Supervisor
from infra.local.work_dir import open_work_dir


def sbom(config: Config, console: Console) -> int:
    """Print where the bill of materials of the sandbox image is, made if need be.

    Raises:
        LocalError: There is no engine, or no image.
    """
    work_dir = open_work_dir(config.work_dir)
    with Supervisor(console) as supervisor:
        ensure_engine(supervisor, console, work_dir.log(DOCKERD))
        console.plain(str(ensure_sbom(config.sandbox_image, work_dir, console.say)))
    return 0


def build(config: Config, console: Console, *, rebuild: bool, service: bool) -> int:
    """Build the sandbox image if it is not up to date, or in any case if `rebuild`.

    With `service`, the image of API and executor for compose as well.

    Raises:
        LocalError: There is no engine, or the image cannot be built.
    """
    work_dir = open_work_dir(config.work_dir)
    with Supervisor(console) as supervisor:
        ensure_engine(supervisor, console, work_dir.log(DOCKERD))
        ensure_sandbox_image(
            config.sandbox_image,
            console.say,
            rebuild=rebuild,
            languages=config.sandbox_languages,
        )
        console.done(f"sandbox image {config.sandbox_image} is there")
        report_sbom(config.sandbox_image, work_dir, console)
        if service:
            build_service_image(console.say)
            console.done(f"service image {service_image_name()} is there")
    return 0
