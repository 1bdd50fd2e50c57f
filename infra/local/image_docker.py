"""The `docker` commands that make images: which program to use, and how to run it.

Images are made by the command line rather than through the Engine API: only the command
line speaks BuildKit, and only BuildKit has build secrets, which leave no trace in the image.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.errors import EngineError, LocalError

Report = Callable[[str], None]

QUESTION_DEADLINE_S = 60.0
"""For commands that only ask the engine something. A busy engine takes seconds."""

_BUILDX_ONLY_MAJOR = 23
"""From this release on `docker build` is the buildx plugin, and fails without it."""
_TAIL_LINES = 25

_NO_BUILDER = (
    "no docker command on PATH can use BuildKit, which the sandbox image is built with. "
    "Install the buildx plugin (Debian, Ubuntu: apt-get install docker-buildx; Docker's own "
    "packages: docker-buildx-plugin) and try again"
)
_NO_DOCKER = (
    "there is no docker command on PATH. Install Docker Engine "
    "(Debian, Ubuntu: apt-get install docker.io docker-buildx) and try again"
)


class ImageError(LocalError):
    """An image cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DockerCommand:
    """One `docker` program, and what to set so that it builds with BuildKit."""

    program: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    build_options: tuple[str, ...] = ()


def find_docker() -> DockerCommand:
    """Return the first `docker` on PATH: enough to ask, tag, pull and import.

    Raises:
        EngineError: There is none.
    """
    for program in _programs_on_path():
        return DockerCommand(program)
    raise EngineError(_NO_DOCKER)


def find_builder() -> DockerCommand:
    """Return the first `docker` on PATH that can build with BuildKit.

    Before release 23 that is built in; from 23 on it is a plugin, which Debian and others
    package apart. A machine may well have one of each.

    Raises:
        EngineError: There is none; the message says what to install.
    """
    any_docker = False
    for program in _programs_on_path():
        any_docker = True
        version = re.match(r"Docker version (\d+)\.", _output_of(program, "--version"))
        if version is None:
            continue  # Podman, for one, also answers to this name.
        if int(version[1]) < _BUILDX_ONLY_MAJOR:
            return DockerCommand(program, {"DOCKER_BUILDKIT": "1"})
        if "buildx" in _output_of(program, "buildx", "version"):
            # A builder in a container of its own keeps its result unless told otherwise.
            return DockerCommand(program, {"DOCKER_BUILDKIT": "1"}, ("--load",))
    raise EngineError(_NO_BUILDER if any_docker else _NO_DOCKER)


def _programs_on_path() -> Iterator[str]:
    seen: set[Path] = set()
    for folder in os.get_exec_path():
        program = Path(folder, "docker")
        real = program.resolve()
        if real not in seen and program.is_file() and os.access(program, os.X_OK):
            seen.add(real)
            yield str(program)


def _output_of(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=QUESTION_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # A broken program is as good as none: the next one on PATH is asked.
    return done.stdout if done.returncode == 0 else ""


def ask(docker: DockerCommand, *arguments: str) -> str | None:
    """Run a short command; return what it printed, or None if there is no such image.

    Raises:
        EngineError: The engine does not answer, or refuses.
    """
    try:
        done = subprocess.run(
            (docker.program, *arguments),
            capture_output=True,
            text=True,
            timeout=QUESTION_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"the Docker engine did not answer within {QUESTION_DEADLINE_S:.0f} s"
        ) from None
    if done.returncode == 0:
        return done.stdout.strip()
    if "no such image" in done.stderr.lower():
        return None
    raise EngineError(f"docker {arguments[0]} failed: {done.stderr.strip()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LongCommand:
    """A command that takes its time, and how much of it."""

    argv: tuple[str, ...]
    deadline_s: float
    """Seconds after which it is ended."""
    first_line_s: float | None = None
    """Seconds within which it must have printed something, else it is ended."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables to set on top of ours."""
    cwd: Path | None = None


def run_watched(command: LongCommand, on_line: Report) -> None:
    """Run a command, giving every line it prints, on either stream, to `on_line` as it comes.

    Raises:
        ImageError: It failed, or was ended; the message has its last lines.
    """
    process = subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **command.environment},
        cwd=command.cwd,
        process_group=0,  # So that what it starts ends with it, and lets go of the pipe.
    )
    limit = threading.Timer(command.deadline_s, _end_group, [process])
    silence = threading.Timer(command.first_line_s or command.deadline_s, _end_group, [process])
    tail: list[str] = []
    with process:
        try:
            limit.start()
            silence.start()
            for line in process.stdout or ():
                silence.cancel()
                tail = [*tail[1 - _TAIL_LINES :], line.rstrip()]
                on_line(line.rstrip())
            status = process.wait()
        except BaseException:
            _end_group(process)  # Ctrl-C, or a report that failed: nothing goes on unseen.
            raise
        finally:
            limit.cancel()
            silence.cancel()
    if status != 0:
        name = " ".join(command.argv[:2])
        end = "did not come to an end" if status < 0 else f"failed with status {status}"
        raise ImageError("\n".join([f"{name} {end}; its last lines:", *tail]))


def _end_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):  # It has ended by itself.
        os.killpg(process.pid, signal.SIGTERM)
