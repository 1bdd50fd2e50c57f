"""Makes sure that the sandbox image is there, and that it is the one of this checkout.

The image carries a digest of what it was built from, so a second start costs one question
to the engine, and an added package or a changed supervisor builds it anew. The engine is
the one that `DOCKER_HOST` names, as for every docker command.
"""

import json
import os
import re
from pathlib import Path
from typing import cast

from executor.image_version import LABEL as VERSION_LABEL
from executor.image_version import supervisor_digest
from infra.local.errors import LocalError
from infra.local.image_base import BASE_RELEASE, ensure_base_image
from infra.local.image_digest import source_digest
from infra.local.image_disk import require_disk
from infra.local.image_docker import (
    DockerCommand,
    ImageError,
    LongCommand,
    Report,
    ask,
    find_builder,
    find_docker,
    run_watched,
)
from infra.local.image_secrets import build_secrets

__all__ = ["ImageError", "ensure_base_image", "ensure_sandbox_image"]

ROOT = Path(__file__).resolve().parents[2]
DIGEST_LABEL = "com.code-command.sandbox-digest"

BUILD_DEADLINE_S = 3600.0
PULL_DEADLINE_S = 1800.0

_OUTPUT = re.compile(r"#\d+ \d+\.\d+ (?P<text>.+)")
_STEP = re.compile(r"#\d+ \[(?P<stage>[\w-]+ +\d+/\d+)\] (?P<command>.+)")
_FLAG = re.compile(r"--mount=\S+|\\")
_TELLING = ("Downloading ", "Installing collected", "Setting up ", "Unpacking ")
_LINE_LENGTH = 100


def ensure_sandbox_image(
    name: str, report: Report, *, rebuild: bool = False, languages: str = "all"
) -> bool:
    """Make sure that the engine has the image `name`. Safe to repeat.

    A name without a registry's host is ours: it is built whenever it is missing or was built
    from other files. One with a host (`registry.example.org/sandbox:1`) is somebody's who
    built it elsewhere: it is pulled if it is missing.

    Args:
        name: The image's name, as in `SANDBOX_IMAGE`.
        report: Gets one line of progress at a time.
        rebuild: Build, or pull, even if it is there.
        languages: `all`, or `small` for Python and bash alone. Without effect on an image
            that is pulled.

    Returns:
        Whether it was built or pulled.

    Raises:
        EngineError: No docker command, none that can build, or an engine that is silent.
        ImageError: It cannot be built or pulled; the message says why.
    """
    docker = find_docker()
    if has_registry_host(name):
        if not rebuild and _inspect(docker, name, "{{.Id}}") is not None:
            return False
        _pull(docker, name, report)
        return True
    digest = source_digest(ROOT, languages)
    if _built_from(docker, name) == digest and not rebuild:
        return False
    builder = find_builder()
    require_disk(docker)
    ensure_base_image(report)
    previous = _inspect(docker, name, "{{.Id}}")
    supervisor = supervisor_digest(ROOT / "sandbox" / "supervisor")
    labels = (
        *("--label", f"{DIGEST_LABEL}={digest}"),
        *("--label", f"{VERSION_LABEL}={supervisor}"),
    )
    options = (*labels, "--build-arg", f"LANGUAGES={languages}")
    _build(builder, name, options, report)
    _remove_replaced(docker, name, previous, report)
    return True


def has_registry_host(name: str) -> bool:
    """Whether `name` says where it comes from; docker's own rule for the first part."""
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def describe(line: str) -> str | None:
    """Return what a line of BuildKit's plain progress tells a person, if anything."""
    step = _STEP.match(line)
    if step:
        command = " ".join(_FLAG.sub("", step["command"]).split())
        text = f"[{step['stage']}] {command}"
        return text if len(text) <= _LINE_LENGTH else f"{text[:_LINE_LENGTH]}…"
    output = _OUTPUT.match(line)
    if output and output["text"].lstrip().startswith(_TELLING):
        return output["text"].strip()[:_LINE_LENGTH]
    if line.endswith("exporting layers"):
        return "writing the image"
    return None


def _inspect(docker: DockerCommand, name: str, template: str) -> str | None:
    return ask(docker, "image", "inspect", "--format", template, name)


def _built_from(docker: DockerCommand, name: str) -> str | None:
    """Return the digest of the sources that the image `name` was built from."""
    labels = _inspect(docker, name, "{{json .Config.Labels}}")
    found: object = json.loads(labels) if labels else None
    return cast("dict[str, str]", found).get(DIGEST_LABEL) if found else None


def _build(builder: DockerCommand, name: str, options: tuple[str, ...], report: Report) -> None:
    def on_line(line: str) -> None:
        told = describe(line)
        if told is not None:
            report(f"sandbox image: {told}")

    report("sandbox image: building (5 to 15 minutes the first time)")
    with build_secrets(os.environ, report, release=BASE_RELEASE) as secrets:
        # The host's network: some engines have no bridge, and a mirror may be on loopback.
        command = (builder.program, "build", "--network=host", "--progress=plain")
        what = ("--file", "sandbox/Dockerfile", "--tag", name)
        build = LongCommand(
            argv=(*command, *builder.build_options, *secrets, *what, *options, "."),
            deadline_s=BUILD_DEADLINE_S,
            environment=builder.environment,
            cwd=ROOT,
        )
        run_watched(build, on_line)


def _pull(docker: DockerCommand, name: str, report: Report) -> None:
    report(f"pulling {name}")
    pull = LongCommand(argv=(docker.program, "pull", name), deadline_s=PULL_DEADLINE_S)
    run_watched(pull, report)


def _remove_replaced(
    docker: DockerCommand, name: str, previous: str | None, report: Report
) -> None:
    """Remove the image that `name` meant before; each is 4 GB."""
    if previous is None or previous == _inspect(docker, name, "{{.Id}}"):
        return
    if _inspect(docker, previous, "{{len .RepoTags}}") not in {"0", None}:
        return  # It has another name, which removing it by its id would take as well.
    try:
        ask(docker, "image", "rm", previous)
    except LocalError as refusal:
        report(f"the replaced sandbox image stays: {refusal}")
