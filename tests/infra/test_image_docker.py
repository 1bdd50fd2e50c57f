"""Which docker command is used, and how a long one is watched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.errors import EngineError
from infra.local.image_base import ensure_base_image
from infra.local.image_docker import (
    ImageError,
    LongCommand,
    ask,
    find_builder,
    find_docker,
    run_watched,
)

OLD = 'echo "Docker version 20.10.24+dfsg1, build 297e128"'
NEW = 'case "$1" in --version) echo "Docker version 28.2.2, build e6534b4";; *) exit 1;; esac'
NEW_WITH_BUILDX = (
    'case "$1" in --version) echo "Docker version 29.0.1, build aa";; '
    "*) echo github.com/docker/buildx v0.30;; esac"
)
PODMAN = "echo podman version 5.4.2"
BROKEN = "exit 127"


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, *scripts: str) -> list[str]:
    """Put one `docker` a folder on PATH, and nothing else; return their paths."""
    programs: list[str] = []
    for number, script in enumerate(scripts):
        program = folder / str(number) / "docker"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        programs.append(str(program))
    monkeypatch.setenv("PATH", ":".join(str(Path(program).parent) for program in programs))
    return programs


@pytest.mark.parametrize("script", [OLD, NEW_WITH_BUILDX])
def test_the_first_docker_that_can_build_with_buildkit_is_used(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = _install(tmp_path, monkeypatch, BROKEN, PODMAN, NEW, script, OLD)
    builder = find_builder()
    assert builder.program == programs[3]
    assert builder.environment["DOCKER_BUILDKIT"] == "1"


def test_buildx_is_told_to_leave_its_result_with_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, NEW_WITH_BUILDX)
    assert find_builder().build_options == ("--load",)
    _install(tmp_path / "0", monkeypatch, OLD)
    assert find_builder().build_options == ()


def test_without_buildkit_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, NEW)
    with pytest.raises(EngineError, match="apt-get install docker-buildx"):
        find_builder()


@pytest.mark.parametrize("find", [find_docker, find_builder])
def test_without_docker_the_message_says_what_to_install(
    find: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"apt-get install docker\.io"):
        find()


def test_an_image_that_is_not_there_is_none_and_a_silent_engine_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "echo 'Error: No such image: x' >&2; exit 1")
    assert ask(find_docker(), "image", "inspect", "x") is None
    _install(tmp_path / "0", monkeypatch, "echo 'Cannot connect to the daemon' >&2; exit 1")
    with pytest.raises(EngineError, match="Cannot connect to the daemon"):
        ask(find_docker(), "image", "inspect", "x")


def _shell(script: str, *, deadline_s: float = 30, first_line_s: float = 30) -> LongCommand:
    argv = ("sh", "-c", script)
    return LongCommand(argv=argv, deadline_s=deadline_s, first_line_s=first_line_s)


def test_lines_of_both_streams_are_reported_as_they_come() -> None:
    lines: list[str] = []
    run_watched(_shell("echo one; echo two >&2; echo three"), lines.append)
    assert lines == ["one", "two", "three"]


def test_a_command_that_fails_tells_its_status_and_its_last_lines() -> None:
    lines: list[str] = []
    with pytest.raises(ImageError, match=r"failed with status 3(.|\n)*\n99$") as failure:
        run_watched(_shell("seq 0 99; exit 3"), lines.append)
    assert len(lines) == 100
    assert len(str(failure.value).splitlines()) < 30


@pytest.mark.parametrize(
    "command",
    [
        _shell("echo begun; sleep 60 & sleep 60", deadline_s=0.3),
        _shell("sleep 60 & sleep 60", first_line_s=0.3),
    ],
)
def test_a_command_that_takes_too_long_ends_with_all_it_started(command: LongCommand) -> None:
    # It would hang here until the children let go of the pipe.
    with pytest.raises(ImageError, match="did not come to an end"):
        run_watched(command, lambda _line: None)


def test_a_command_that_has_spoken_may_take_its_time() -> None:
    lines: list[str] = []
    run_watched(_shell("echo begun; sleep 0.6; echo done", first_line_s=0.3), lines.append)
    assert lines == ["begun", "done"]


def test_an_interruption_ends_the_command() -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_watched(_shell("echo begun; sleep 60"), interrupt)


@pytest.mark.docker
def test_a_base_image_that_is_there_is_left_alone() -> None:
    told: list[str] = []
    ensure_base_image(told.append)
    told.clear()
    ensure_base_image(told.append)
    assert told == []


def test_who_may_not_bootstrap_the_base_image_is_told_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither there nor to be pulled.
    _install(tmp_path, monkeypatch, "echo 'No such image' >&2; exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(
        ImageError, match=r"takes root(.|\n)*debootstrap --variant=minbase trixie"
    ):
        ensure_base_image(lambda _line: None)


def test_a_machine_without_debians_tools_is_told_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "echo 'No such image' >&2; exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ImageError, match=r"no apt-get(.|\n)*docker save debian:trixie-slim"):
        ensure_base_image(lambda _line: None)
