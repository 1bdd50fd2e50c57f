"""Cases 62 and 63: what clients write into logs, and addresses that they name."""

import json
import re
import secrets
import socket
from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.wire import END, FORM, RawLine

pytestmark = pytest.mark.docker

LOG_FIELDS = {"event", "level", "logger", "time"}
"""What every line has, and a forged one would have to."""
OURS = ("api", "executor")


def logs_of(target: RunningService) -> dict[str, str]:
    """Return every log file by name, as its bytes are."""
    files = (target.work_dir / "logs").iterdir()
    return {file.stem: file.read_text("utf-8", "surrogateescape") for file in files}


@pytest.mark.case(62)
def test_no_log_has_a_forged_line_or_what_nobody_should_read(
    target: RunningService, attacker: Caller
) -> None:
    mark = secrets.token_hex(8)
    forged = f"2026-01-01 00:00:00,000 INFO api: {mark} paid"
    evil = f"x\r\n{forged}\n\x1b[2J\x1b]0;{mark}\x07\u2028{forged}"
    raw = "".join(f"%{byte:02x}" for byte in evil.encode())
    before = logs_of(target)

    attacker.run(f"print({evil!r})\nraise ValueError({evil!r})")
    attacker.run(
        f"import os\nfor n in range(3): open({evil!r}.replace('/', '') + str(n), 'w')",
        args=[evil],
        session_id=evil,
        user_id=evil,
    )
    attacker.http.post("/exec", json={"lang": evil, "code": evil})
    attacker.http.post("/exec", json={"lang": "py", "code": "1", "files": [{"id": evil}]})
    attacker.http.post("/exec", content=evil.encode())
    for path in (
        f"/{raw}",
        f"/files/{raw}",
        f"/download/{raw}/{raw}",
        f"/files/{'A' * 21}?kind={raw}",
    ):
        attacker.http.get(path)
        attacker.http.delete(path)
    part = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{raw}"\r\n\r\n'
    for path in ("/upload", "/upload/batch"):
        attacker.http.post(path, content=part.encode() + b"1" + END, headers=FORM)
        attacker.http.post(path, files={"kind": (None, evil.encode())})
    for name in (
        "User-Id",
        "X-Forwarded-For",
        "User-Agent",
        "Referer",
        "X-CodeAPI-Expected-Profile",
    ):
        attacker.http.get("/nowhere", headers={name: f"{mark}\t{forged}"})
    for start in (
        f"GET /{mark}\n{forged}",
        f"{forged}\r\n",
        f"GET / HTTP/1.1\r\nX: {mark}\0\r\n",
    ):
        line = RawLine(target, attacker)
        with line.socket:
            line.socket.sendall(f"{start}\r\n\r\n".encode())
            line.status()

    written = {name: text[len(before[name]) :] for name, text in logs_of(target).items()}
    for name, text in written.items():
        assert mark not in text, name
        for secret in (*target.keys.values(), *_secrets(target)):
            assert secret not in text, name
    assert "Invalid HTTP request" in written["api"], "it has something to say of this"
    for name in OURS:
        lines = [json.loads(line) for line in written[name].split("\n") if line]
        assert [line for line in lines if not line.keys() >= LOG_FIELDS] == []
        assert written[name].replace("\n", "").isprintable()


def _secrets(target: RunningService) -> Iterator[str]:
    for file in (target.work_dir / "secrets").iterdir():
        yield from re.findall(r"[A-Za-z0-9_-]{20,}", file.read_text())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setblocking(False)  # noqa: FBT003 - its only way
        yield listener


@pytest.mark.case(63)
def test_no_field_makes_the_service_call_an_address(
    target: RunningService, attacker: Caller, listener: socket.socket
) -> None:
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    url = f"http://{host}/x"
    fields: dict[str, str] = dict.fromkeys(
        (
            *("callback_url", "callback", "webhook", "url", "endpoint", "s3_endpoint"),
            *("S3_ENDPOINT_URL", "BROKER_URL", "image", "runtime", "proxy", "redirect_uri"),
            *("baseUrl", "apiKey", "authHeaders", "executionProfile", "entity_id", "user_id"),
        ),
        url,
    )
    headers = {
        "X-Forwarded-Host": host,
        "X-Forwarded-For": host,
        "Forwarded": f"host={host}",
        "X-Callback-Url": url,
        "Referer": url,
        "Origin": f"http://{host}",
        "Proxy": url,
    }
    own = attacker.upload("own.txt", b"1")
    reference = own.reference | dict.fromkeys(("url", "path", "href", "presigned_url"), url)

    body = {"lang": "bash", "code": "true", "files": [reference], **fields}
    attacker.http.post("/exec", json=body, headers=headers)
    attacker.http.post("/exec", json=body | {"files": [{"url": url}, url]}, headers=headers)
    attacker.http.post("/upload", data=fields, files={"file": (url, url.encode())})
    attacker.http.post("/upload", data=fields | {"file": url}, files={"x": (None, b"")})
    for path in (f"/files/{own.session_id}", own.path, "/health", "/schema", "/metrics"):
        attacker.http.get(path, params=fields, headers=headers)
    for start in (
        f"GET {url} HTTP/1.1",
        f"CONNECT {host} HTTP/1.1",
        f"GET //{host}/x HTTP/1.1",
    ):
        line = RawLine(target, attacker)
        with line.socket:
            line.socket.sendall(
                f"{start}\r\nHost: {host}\r\nX-API-Key: {attacker.key}\r\n\r\n".encode()
            )
            line.status()

    with pytest.raises(BlockingIOError):
        listener.accept()
