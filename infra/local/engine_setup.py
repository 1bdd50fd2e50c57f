"""Gets a container engine to run: installs it, or starts it, and says so."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra.local import apt
from infra.local.child import ChildSpec
from infra.local.console import Console
from infra.local.engine import (
    Answer,
    Step,
    ask,
    engine_address,
    engine_version,
    find_program,
    look_around,
    next_step,
)
from infra.local.errors import ChildFailedError, EngineError
from infra.local.supervisor import Supervisor

NAME = "dockerd"
START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 30.0
"""Docker gives its containers 15 s, and then stops containerd."""

_PACKAGES = ("docker.io", "iptables")
_WANTED_PACKAGES = ("docker-cli", "docker-buildx")
"""Of their own since Debian 13 and Ubuntu 24.04; part of docker.io before."""

_WITHOUT_NETWORK = ("--bridge=none", "--iptables=false")
"""Enough for sandboxes, which have no network, and for builds in the host's."""

_NETWORK_TROUBLE = ("iptables", "network controller", "docker0", "bridge")
_LEFT_PID_FILES = ("/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid")


def ensure_engine(supervisor: Supervisor, console: Console, log: Path) -> None:
    """See to it that an engine answers.

    One that no init system runs becomes a child of `supervisor`, and is stopped with it.

    Raises:
        EngineError: There is none, and it cannot be had from here.
        LocalError: Installing or starting it failed.
    """
    # Once installed it may have been started by its package, or be still to be started.
    for _ in range(len(Step)):
        match next_step(look_around()):
            case Step.USE:
                console.done(f"Docker engine {engine_version()} answers")
                return
            case Step.INSTALL:
                _install(console)
            case Step.START_SERVICE:
                _start_service(console)
            case Step.START_DAEMON:
                _start_daemon(supervisor, console, log)
    raise EngineError(f"the Docker engine was set up, but does not answer; its log: {log}")


def daemon_spec(log: Path) -> ChildSpec:
    """Return how to start an engine where nobody else does."""
    path = os.environ.get("PATH", os.defpath)
    return ChildSpec(
        name=NAME,
        argv=(find_program("dockerd") or "dockerd",),
        # Its helpers (containerd, runc, iptables) are looked up by name.
        environment={**os.environ, "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin"},
        cwd=Path("/"),
        log=log,
        grace_s=_STOP_GRACE_S,
        orphan_signal=signal.SIGTERM,  # Killed, it would leave containerd behind.
    )


def start_daemon(
    supervisor: Supervisor, spec: ChildSpec, console: Console, is_up: Callable[[], bool]
) -> None:
    """Start an engine as a child; without a network of its own, if it cannot make one.

    Raises:
        ChildFailedError: It does not start. The end of its log is in the message.
    """
    child = supervisor.start(spec)
    try:
        supervisor.wait_until(is_up, children=[child], timeout_s=START_TIMEOUT_S)
    except ChildFailedError:
        supervisor.release(child)
        said = child.log_tail(lines=3)
        is_last_try = set(_WITHOUT_NETWORK) <= set(spec.argv)
        if is_last_try or not any(word in said for word in _NETWORK_TROUBLE):
            raise
        console.say(
            "the Docker engine could not set up its network; starting it without one "
            f"({' '.join(_WITHOUT_NETWORK)}): sandboxes have none anyway"
        )
        retry = replace(spec, argv=(*spec.argv, *_WITHOUT_NETWORK))
        start_daemon(supervisor, retry, console, is_up)


def forget_dead_daemon(pid_files: tuple[str, ...] = _LEFT_PID_FILES) -> None:
    """Remove the pid files of an engine that was killed.

    A daemon only asks whether the process id in them is alive, and after a restart of the
    machine it may be anybody's; it then refuses to start.
    """
    for name in pid_files:
        file = Path(name)
        try:
            pid = int(file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            continue
        if _program_of(pid) not in {"dockerd", "containerd"}:
            file.unlink()


def _install(console: Console) -> None:
    console.say("no Docker engine is installed; installing it")
    apt.install(_PACKAGES, console)
    wanted = [package for package in _WANTED_PACKAGES if apt.is_available(package)]
    if wanted:
        apt.install(wanted, console)


def _start_service(console: Console) -> None:
    console.say("starting the Docker engine (systemctl start docker)")
    command = ("systemctl", "start", "docker")
    started = subprocess.run(command, capture_output=True, check=False, text=True)
    if started.returncode != 0:
        raise EngineError(
            f"`{' '.join(command)}` failed: {started.stderr.strip()}\n"
            "  journalctl -u docker    says why"
        )
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while ask(engine_address()) is Answer.SILENT and time.monotonic() < give_up_at:
        time.sleep(0.1)


def _start_daemon(supervisor: Supervisor, console: Console, log: Path) -> None:
    console.say(f"starting the Docker engine, since no init system does (log: {log})")
    forget_dead_daemon()
    _mount_cgroups(console)
    spec = daemon_spec(log)
    start_daemon(supervisor, spec, console, lambda: ask(engine_address()) is Answer.READY)


def _mount_cgroups(console: Console) -> None:
    """Mount the control groups, which an init system would have done."""
    kinds = {line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()}
    program = find_program("cgroupfs-mount")
    if kinds & {"cgroup", "cgroup2"} or program is None:
        return
    console.say(f"mounting the control groups ({program})")
    subprocess.run((program,), check=False)


def _program_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
