"""A client that costs next to nothing, so that what is timed is the service.

One connection that stays open, no pool, no parsing beyond what is needed. Not for threads:
each has one of its own.
"""

import http.client
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.bench.reports import BenchError
from tests.live.running_service_caller import StoredFile

TIMEOUT_S = 180
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and how long it took from the first byte sent to the last received."""

    status: int
    body: bytes
    took_ms: float
    server_timing: str = ""
    """The header of that name; empty where the service sends none."""

    def json(self) -> Any:
        """Return the body, parsed.

        Raises:
            BenchError: The status is not 200.
        """
        return json.loads(self.content())

    def content(self) -> bytes:
        """Return the body.

        Raises:
            BenchError: The status is not 200.
        """
        if self.status != OK:
            said = self.body[:200].decode(errors="replace")
            raise BenchError(f"status {self.status}: {said}")
        return self.body


class Client:
    """Asks one service; a context manager."""

    def __init__(self, address: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise BenchError(f"not the address of a service: {address!r}")
        kind = (
            http.client.HTTPSConnection
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._path = parts.path.rstrip("/")
        self._key = key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def exec(self, lang: str, code: str, *inputs: StoredFile) -> Answer:
        """Have a program run."""
        body = exec_body(lang, code, *inputs)
        return self.ask("POST", "/exec", body, {"Content-Type": "application/json"})

    def upload(self, name: str, content: bytes) -> tuple[StoredFile, Answer]:
        """Upload one file."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        body = b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode()))
        kind = f"multipart/form-data; boundary={boundary}"
        answer = self.ask("POST", "/upload", body, {"Content-Type": kind})
        kept = answer.json()
        (file,) = kept["files"]
        return StoredFile(kept["session_id"], file["fileId"], file["filename"]), answer

    def download(self, file: StoredFile) -> Answer:
        """Fetch a file."""
        return self.ask("GET", file.path)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read its answer to the end.

        Raises:
            BenchError: There is no answer. The next request opens a new connection.
        """
        told = {"X-API-Key": self._key, **(headers or {})}
        began_at = time.perf_counter()
        try:
            self._connection.request(method, self._path + path, body, told)
            received = self._connection.getresponse()
            content = received.read()
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            raise BenchError(f"{method} {path}: no answer: {fault!r}") from fault
        took_ms = (time.perf_counter() - began_at) * 1000
        timing = received.headers.get("Server-Timing", "")
        return Answer(
            status=received.status, body=content, took_ms=took_ms, server_timing=timing
        )


def exec_body(lang: str, code: str, *inputs: StoredFile) -> bytes:
    """Return the body of a request that runs a program."""
    files = [file.reference for file in inputs]
    return json.dumps({"lang": lang, "code": code, "files": files}).encode()


def output_files(answer: Any) -> dict[str, StoredFile]:
    """Return the files of a run's answer by name."""
    return {
        file["name"]: StoredFile(answer["session_id"], file["id"], file["name"])
        for file in answer["files"]
    }
