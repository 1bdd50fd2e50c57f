"""Builds the service image, and stand-ins for images of others where no registry answers."""

import hashlib
import json
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import EngineError
from infra.local.image import describe
from infra.local.image_base import BASE_RELEASE, ensure_base_image
from infra.local.image_docker import (
    LongCommand,
    Report,
    ask,
    find_builder,
    find_docker,
    run_watched,
)
from infra.local.image_secrets import build_secrets

ROOT = Path(__file__).resolve().parents[2]
STAND_IN_LABEL = "com.code-command.stand-in"
"""Says that an image is none of its project's, and which files it was built from."""

BUILD_DEADLINE_S = 1200.0

_LABELS = "{{json .Config.Labels}}"
_SHARED_FILES = ("sandbox/image/build/install_apt.sh", "sandbox/image/build/install_pip.sh")


@dataclass(frozen=True, slots=True)
class StandIn:
    """An image that is built here under the name of one that others publish."""

    name: str
    """As infra/compose.yaml has it."""
    dockerfile: str
    sources: tuple[str, ...] = ()
    """What goes into it, apart from the Dockerfile and the install scripts."""


STAND_INS = (
    StandIn("valkey/valkey:8.1.10", "infra/images/stand-ins/valkey.Dockerfile"),
    StandIn(
        "chrislusf/seaweedfs:4.48",
        "infra/images/stand-ins/seaweedfs.Dockerfile",
        ("requirements/local.txt",),
    ),
)
"""MinIO is not among them: neither Debian nor the Python package index has it."""


def service_image_name() -> str:
    """Return the name that infra/compose.yaml has for this checkout's service image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return f"code-command:{project['project']['version']}"


def build_service_image(report: Report, *, name: str | None = None) -> None:
    """Build the service image. Repeated on unchanged files, it takes about a second.

    Raises:
        EngineError: No docker command, none that can build, or an engine that is silent.
        ImageError: It cannot be built; the message says why.
    """
    _build(name or service_image_name(), "infra/images/Dockerfile", report)


def ensure_stand_in(stand_in: StandIn, report: Report) -> None:
    """Build it if it is missing. An image that its own project published is left alone.

    Raises:
        EngineError: No docker command, none that can build, or an engine that is silent.
        ImageError: It cannot be built; the message says why.
    """
    found = ask(find_docker(), "image", "inspect", "--format", _LABELS, stand_in.name)
    digest = _digest(stand_in)
    if found is not None and _labels(found).get(STAND_IN_LABEL, digest) == digest:
        return
    label = ("--label", f"{STAND_IN_LABEL}={digest}")
    _build(stand_in.name, stand_in.dockerfile, report, label)


def _labels(printed: str) -> dict[str, str]:
    """Read what the engine printed; an image without labels has `null`."""
    labels: dict[str, str] | None = json.loads(printed)
    return labels or {}


def _digest(stand_in: StandIn) -> str:
    contents = hashlib.sha256()
    for source in (stand_in.dockerfile, *stand_in.sources, *_SHARED_FILES):
        contents.update(hashlib.sha256((ROOT / source).read_bytes()).digest())
    return contents.hexdigest()


def _build(name: str, dockerfile: str, report: Report, options: Sequence[str] = ()) -> None:
    def on_line(line: str) -> None:
        told = describe(line)
        if told is not None:
            report(f"{name}: {told}")

    builder = find_builder()
    ensure_base_image(report)
    previous = _id_of(name)
    with build_secrets(os.environ, report, release=BASE_RELEASE) as secrets:
        # The host's network: some engines have no bridge, and a mirror may be on loopback.
        command = (builder.program, "build", "--network=host", "--progress=plain")
        what = ("--file", dockerfile, "--tag", name, *options)
        build = LongCommand(
            argv=(*command, *builder.build_options, *secrets, *what, "."),
            deadline_s=BUILD_DEADLINE_S,
            environment=builder.environment,
            cwd=ROOT,
        )
        run_watched(build, on_line)
    if previous not in {None, _id_of(name)}:
        _remove(str(previous), report)


def _id_of(name: str) -> str | None:
    return ask(find_docker(), "image", "inspect", "--format", "{{.Id}}", name)


def _remove(replaced: str, report: Report) -> None:
    """Remove an image that lost its name; one that a container still runs stays."""
    try:
        ask(find_docker(), "image", "rm", replaced)
    except EngineError as refusal:
        report(f"the replaced image stays: {refusal}")
