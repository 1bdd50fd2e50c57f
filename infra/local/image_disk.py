"""Whether a build of the sandbox image fits onto the engine's disk, asked before it begins."""

import re
import shutil
from pathlib import Path

from infra.local.image_docker import DockerCommand, ImageError, ask

NEEDED_BYTES = 15_000_000_000
"""What a first build takes: 13.4 GB at the peak, with the engine, the virtual environment and
the base image. The image is 4 GB of that; its stages and their cache are the rest. The small
image takes 6 GB, with 1.6 GB for itself."""

LEAST_BYTES = 1_000_000_000
"""For a build that finds all but its last steps in the engine's cache."""

CACHE_SIZE = re.compile(r"^Build Cache (?P<number>[\d.]+)(?P<unit>[kMGT]?B)$", re.MULTILINE)
"""In `docker system df`, when it is asked for the type and the size alone."""
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def require_disk(docker: DockerCommand) -> None:
    """Check that a build fits, where the engine's disk is one of this machine.

    What earlier builds left in the engine's cache is not written again. It may be of other
    images, so a build that passes here can still find the disk full; one that would have
    fitted is not refused, which a machine with little room to spare depends on.

    Raises:
        EngineError: The engine does not answer.
        ImageError: It does not fit; the message says how to make room.
    """
    folder = Path(ask(docker, "info", "--format", "{{.DockerRootDir}}") or "/")
    if not folder.is_dir():
        return  # An engine on another machine: it will say so itself.
    needed_bytes = max(LEAST_BYTES, NEEDED_BYTES - _cached_bytes(docker))
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise ImageError(
            f"building the sandbox image takes about {needed_bytes / 1e9:.0f} GB below "
            f"{folder}, where {free_bytes / 1e9:.1f} GB are free. Make room "
            "(docker builder prune, docker image prune), or set SANDBOX_IMAGE to an image "
            "of a registry"
        )


def _cached_bytes(docker: DockerCommand) -> int:
    table = ask(docker, "system", "df", "--format", "{{.Type}} {{.Size}}") or ""
    size = CACHE_SIZE.search(table)
    return int(float(size["number"]) * _UNITS[size["unit"]]) if size else 0
