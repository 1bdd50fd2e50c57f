"""The baseline: a fresh `docker run` of the same image and program, as a user would do it."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.programs import CHART_NAME, Program, require_chart
from tests.bench.reports import BenchError, WrongAnswerError

NAME = "fresh docker run, 0.5 CPU"

TIMEOUT_S = 120

_HARDENED = (
    "--rm",
    "--cpus=0.5",
    "--memory=356m",
    "--memory-swap=356m",
    "--pids-limit=50",
    "--read-only",
    "--network=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--log-driver=none",
    "--tmpfs=/tmp:rw,nosuid,nodev,noexec,size=64m",
)
"""What `executor/docker_spec.py` asks of the engine, in the words of the command line."""


def fresh_run(image: str, program: Program) -> float:
    """Run a program in a container of its own; return the milliseconds until its end.

    Raises:
        WrongAnswerError: It did not print what it should.
        BenchError: Docker failed.
    """
    code, mark = program.marked()
    with tempfile.TemporaryDirectory(prefix="code-command-bench-") as folder:
        stdout, took_ms = run_in_folder(image, Path(folder), (*program.interpreter, code))
        program.require(stdout, mark)
        if program.makes_chart:
            chart = Path(folder) / CHART_NAME
            if not chart.is_file():
                raise WrongAnswerError("the fresh run left no chart")
            require_chart(chart.read_bytes())
    return took_ms


def run_in_folder(image: str, folder: Path, command: tuple[str, ...]) -> tuple[str, float]:
    """Run a command in a fresh container that sees `folder` as `/mnt/data`.

    Returns:
        What it printed, and the milliseconds from its start to its end.

    Raises:
        BenchError: Docker failed, or the command did.
    """
    program, *arguments = command
    docker = (
        "docker",
        "run",
        *_HARDENED,
        f"--user={os.geteuid()}:{os.getegid()}",
        f"--volume={folder}:/mnt/data",
        "--workdir=/mnt/data",
        f"--entrypoint={program}",
        image,
        *arguments,
    )
    began_at = time.perf_counter()
    try:
        done = subprocess.run(
            docker,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise BenchError(f"docker run failed: {fault}") from fault
    took_ms = (time.perf_counter() - began_at) * 1000
    if done.returncode != 0:
        raise BenchError(f"docker run failed: {done.stderr[-300:].strip()}")
    return done.stdout, took_ms
