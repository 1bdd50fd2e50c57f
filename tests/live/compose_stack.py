"""Starts infra/compose.yaml as somebody who has no registry would, and takes it down."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "infra" / "compose.yaml"
COMMAND_TIMEOUT_S = 120
READY_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.2

PROJECT_LABEL = "com.docker.compose.project"
OWNER_LABEL = "com.code-command.owner"


def compose_command() -> tuple[str, ...]:
    """Return the compose command of this machine, the plugin's or the older program's."""
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    asked = subprocess.run(("docker", "compose", "version"), capture_output=True, check=False)
    if asked.returncode == 0:
        return ("docker", "compose")
    pytest.fail("compose is not installed (Debian, Ubuntu: apt-get install docker-compose)")


def run_compose(
    *arguments: str, settings: Path, project: str = "code-command-test"
) -> subprocess.CompletedProcess[str]:
    """Run compose with these settings, and nothing of the developer's shell but its engine."""
    kept = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")
    return subprocess.run(
        (
            *compose_command(),
            *("--file", str(COMPOSE_FILE), "--env-file", str(settings), "-p", project),
            *arguments,
        ),
        env={name: os.environ[name] for name in kept if name in os.environ},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def write_settings(path: Path, settings: Mapping[str, str]) -> Path:
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
    return path


def docker(*arguments: str) -> str:
    """Return what a docker command printed."""
    done = subprocess.run(
        ("docker", *arguments), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def engine_socket() -> Path:
    """Return the socket of the engine in use, which the executor is to be given."""
    kind, _, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition(
        "://"
    )
    assert kind == "unix", "compose hands over a local engine's socket"
    return Path(path)


@dataclass
class Stack:
    """One installation under a project name that nothing else has."""

    folder: Path
    project: str = field(default_factory=lambda: f"code-command-{secrets.token_hex(4)}")
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    port: int = field(default_factory=free_port)

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"X-API-Key": self.key},
            timeout=60,
            trust_env=False,
        )

    @property
    def settings(self) -> Path:
        path = self.folder / "compose.env"
        if path.exists():
            return path
        host_socket = engine_socket()
        return write_settings(
            path,
            {
                "BROKER_PASSWORD": secrets.token_urlsafe(32),
                "CODE_API_KEY": self.key,
                "CODE_EXECUTOR_ID": self.project,
                "CODE_PORT": str(self.port),
                "COMPOSE_PROFILES": "seaweedfs",
                "DOCKER_GID": str(host_socket.stat().st_gid),
                "DOCKER_SOCKET": str(host_socket),
                "S3_ACCESS_KEY_ID": secrets.token_urlsafe(32),
                "S3_SECRET_ACCESS_KEY": secrets.token_urlsafe(32),
                "SANDBOX_IMAGE": os.environ.get("SANDBOX_IMAGE", ""),
                "SANDBOX_POOL_SIZE": "1",
            },
        )

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_compose(*arguments, settings=self.settings, project=self.project)

    def up(self, *what: str) -> None:
        """Start everything, or `what`, and wait until every container reports healthy."""
        started = self.compose("up", "-d", "--no-build", *what)
        assert started.returncode == 0, started.stderr
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while set(self.health().values()) != {"healthy"}:
            logs = self.compose("logs", "--tail", "20").stdout if _is_over(give_up_at) else ""
            assert not _is_over(give_up_at), f"{self.health()}\n{logs}"
            time.sleep(POLL_INTERVAL_S)

    def down(self) -> None:
        """Take everything down, data included. Safe to repeat."""
        stopped = self.compose("down", "--volumes", "--remove-orphans")
        assert stopped.returncode == 0, stopped.stderr
        for volume in self.of_the_executor("volume", "ls"):
            docker("volume", "rm", volume)

    def containers(self) -> list[dict[str, Any]]:
        names = self.of_the_project("ps", "--all")
        return json.loads(docker("inspect", *names)) if names else []

    def container_of(self, service: str) -> str:
        label = f"label=com.docker.compose.service={service}"
        return self.of_the_project("ps", "--all", "--filter", label)[0]

    def health(self) -> dict[str, str]:
        return {
            found["Name"]: found["State"].get("Health", {}).get("Status", "none")
            for found in self.containers()
        }

    def of_the_project(self, *listing: str) -> list[str]:
        """Return the ids of what compose made."""
        label = f"label={PROJECT_LABEL}={self.project}"
        return docker(*listing, "--quiet", "--filter", label).split()

    def of_the_executor(self, *listing: str) -> list[str]:
        """Return the ids of what the executor made: sandboxes, and volumes for them."""
        label = f"label={OWNER_LABEL}={self.project}"
        return docker(*listing, "--quiet", "--filter", label).split()


def _is_over(moment: float) -> bool:
    return time.monotonic() > moment
