"""Settings that differ from the defaults, and single processes that are told others yet."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
from docker.errors import ImageNotFound  # noqa: TID251 - tests look from outside
from typing_extensions import override

from infra.local.config import DEFAULT_SANDBOX_IMAGE
from infra.local.engine import connect
from tests.live.running_service import RunningService, eventually, free_port

MIB = 1 << 20

OWN_KEY = secrets.token_hex(20)
EXECUTOR_ID = f"altered-{secrets.token_hex(4)}"
MAX_AGE_S = 7.2


def altered_settings(folder: Path, image: str) -> dict[str, str]:
    """Return the settings; `folder` gets what they name."""
    assets = folder / "assets"
    assets.mkdir()
    (assets / "greeting.txt").write_text("good day\n", encoding="utf-8")
    return {
        "CLEANUP_INTERVAL_MINUTES": "0.02",
        "CODE_API_KEY": OWN_KEY,
        "CODE_EXECUTOR_ID": EXECUTOR_ID,
        "CODE_EXEC_TIMEOUT": "3",
        "CODE_HOST": "127.0.0.2",
        "CORS_ORIGINS": "https://chat.example,4000",
        "CPU_LIMIT": "1",
        "EXECUTOR_CONCURRENCY": "1",
        "LOG_LEVEL": "WARNING",
        "MAX_UPLOAD_SIZE": "100000",
        "MEMORY_LIMIT": str(192 * MIB),
        "OUTPUT_MAX_BYTES": "2048",
        "QUEUE_TIMEOUT": "2.5",
        "S3_BUCKET": "another-bucket",
        "S3_PREFIX": "team/runs/",
        "SANDBOX_IMAGE": image,
        "SANDBOX_POOL_SIZE": "1",
        "SANDBOX_RUNTIME": "io.containerd.runc.v2",
        "SESSION_MAX_AGE_HOURS": str(MAX_AGE_S / 3600),
        "SHARED_ASSETS_PATH": str(assets),
        "WORKSPACE_SIZE_LIMIT": str(10 * MIB),
    }


@contextmanager
def image_by_another_name() -> Generator[str, None, None]:
    """Give the sandbox image a second name, and take it away afterwards."""
    usual = os.environ.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE
    name = f"code-sandbox:{EXECUTOR_ID}"
    with closing(connect()) as engine:
        with suppress(ImageNotFound):  # Then `up` builds it, under this name.
            engine.images.get(usual).tag(name)
        try:
            yield name
        finally:
            engine.images.remove(name)


def container_facts(container: str) -> Any:
    """Return what the engine knows of a container."""
    with closing(connect()) as engine:
        return engine.api.inspect_container(container)


@contextmanager
def lone_api(
    service: RunningService, settings: Mapping[str, str]
) -> Generator[httpx.Client, None, None]:
    """Run an API of its own beside the parts of `service`, until the block ends."""
    port = free_port()
    environment = service.environment | {
        "BROKER_URL": broker_url(service),
        **storage_settings(service),
        "CODE_PORT": str(port),
        **settings,
    }
    process = subprocess.Popen((sys.executable, "-P", "-m", "api"), env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            eventually(lambda: _answers(client), "the API answers")
            yield client
    finally:
        process.terminate()
        process.wait(30)


def broker_url(service: RunningService, *, database: int = 0) -> str:
    """Return where the broker of `service` is: its own, unless it was told of another."""
    if url := service.settings.get("BROKER_URL"):
        return url
    password = (service.work_dir / "secrets" / "broker").read_text(encoding="ascii").strip()
    return f"redis://:{password}@127.0.0.1:{_ports(service)['broker']}/{database}"


def storage_settings(service: RunningService) -> dict[str, str]:
    """Return what the processes of `service` are told about its object store."""
    secret = (service.work_dir / "secrets" / "s3-app").read_text(encoding="ascii").strip()
    return {
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{_ports(service)['s3']}",
        "S3_ACCESS_KEY_ID": "code-command",
        "S3_SECRET_ACCESS_KEY": secret,
    }


@contextmanager
def s3_listener() -> Generator[tuple[str, list[str]], None, None]:
    """Give an address at which S3 is asked for, and how each request was signed."""
    signed: list[str] = []

    class Refusal(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            signed.append(self.headers.get("Authorization", ""))
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_PUT = _refuse  # noqa: N815 - the base class looks for these

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", signed
        finally:
            server.shutdown()


def _ports(service: RunningService) -> dict[str, int]:
    return json.loads((service.work_dir / "ports.json").read_text(encoding="utf-8"))


def _answers(client: httpx.Client) -> bool:
    try:
        client.get("/health")
    except httpx.TransportError:
        return False
    return True
