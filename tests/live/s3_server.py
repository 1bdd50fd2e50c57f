"""A real S3 server for tests: SeaweedFS, as one child process on loopback."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from storage.settings import StorageSettings

START_ATTEMPTS = 3
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
SWEEP_TIMEOUT_S = 30

PORT_OF_FLAG = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")
GRPC_PORT_DISTANCE = 10_000
"""SeaweedFS serves gRPC at each of its ports plus this."""


class S3ServerError(Exception):
    """The server did not start; the message ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running server and how to reach it."""

    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    access_key_id: str
    secret_access_key: str

    @property
    def address(self) -> str:
        """Host and port of the S3 service."""
        return f"127.0.0.1:{self.port}"

    def settings(self, *, bucket: str, max_age_hours: float = 24) -> StorageSettings:
        """What a process needs to keep its objects in `bucket` of this server."""
        return StorageSettings(
            s3_endpoint_url=f"http://{self.address}",
            s3_bucket=bucket,
            s3_access_key_id=self.access_key_id,
            s3_secret_access_key=SecretStr(self.secret_access_key),
            session_max_age_hours=max_age_hours,
        )

    def sweep(self) -> None:
        """Run the job that applies lifecycle rules; by itself it runs once a day.

        Raises:
            S3ServerError: It did not come to its end.
        """
        answer = "it was not asked"
        deadline = time.monotonic() + SWEEP_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                answer = self._ask_for_sweep()
            except (OSError, http.client.HTTPException) as fault:
                answer = repr(fault)  # The job's worker comes up after the S3 service.
            else:
                if '"success_count":1' in answer:
                    return
            time.sleep(0.2)
        raise S3ServerError(f"no sweep: {answer}")

    def _ask_for_sweep(self) -> str:
        admin = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        with closing(admin):
            admin.request(
                "POST",
                "/api/plugin/job-types/s3_lifecycle/run",
                b"{}",
                {"Content-Type": "application/json"},
            )
            return admin.getresponse().read(2_000).decode(errors="replace")

    def freeze(self) -> None:
        """Stop the process: connections to it are still accepted, but nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process without giving it time to tidy up."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running_s3_server(folder: Path) -> Generator[S3Server, None, None]:
    """Run a server that keeps its data in `folder`, and end it with the block.

    Raises:
        S3ServerError: It could not be started.
    """
    server = _started(folder)
    try:
        yield server
    finally:
        server.kill()  # Asked politely, it waits for its clients' idle connections.


def _started(folder: Path) -> S3Server:
    # Between choosing a port and listening on it, somebody else may take it.
    for attempt in range(1, START_ATTEMPTS + 1):
        server = _launched(folder / f"attempt-{attempt}")
        if _answers(server):
            return server
        server.kill()
    log = (folder / f"attempt-{START_ATTEMPTS}" / "log").read_text(errors="replace")
    raise S3ServerError(f"SeaweedFS did not start:\n{log[-4_000:]}")


def _launched(folder: Path) -> S3Server:
    (folder / "data").mkdir(parents=True)
    key_id, secret = secrets.token_hex(8), secrets.token_hex(16)
    _write_identities(folder / "s3.json", key_id, secret)
    ports = dict(zip(PORT_OF_FLAG, free_ports(len(PORT_OF_FLAG)), strict=True))
    command = [
        str(Path(sysconfig.get_path("scripts")) / "weed"),
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{flag}={port}" for flag, port in ports.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
        "-s3.autoCreateBucket=false",  # As on AWS: a missing bucket is an error.
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-webdav=false",
        "-master.telemetry=false",
    ]
    # Nothing of our own environment: SeaweedFS reads S3_BUCKET and AWS_… as well.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
    return S3Server(
        process=process,
        port=ports["s3.port"],
        admin_port=ports["admin.port"],
        access_key_id=key_id,
        secret_access_key=secret,
    )


def _write_identities(path: Path, key_id: str, secret: str) -> None:
    identity = {
        "name": "code-command",
        "credentials": [{"accessKey": key_id, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    path.write_text(json.dumps({"identities": [identity]}))


def _answers(server: S3Server) -> bool:
    """Wait until the service answers at all; `False` if it ended or took too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with closing(http.client.HTTPConnection(server.address, timeout=2)) as client:
                client.request("GET", "/")
                client.getresponse()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)  # A process that starts has no event to wait for.
        else:
            return True  # It refuses strangers, but it is there.
    return False


def free_ports(count: int) -> list[int]:
    """Find ports that are free on loopback, and so are those for gRPC above them."""
    found: list[int] = []
    while len(found) < count:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1] - GRPC_PORT_DISTANCE
        if port > GRPC_PORT_DISTANCE and port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
