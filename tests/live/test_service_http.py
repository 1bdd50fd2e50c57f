"""How the service speaks HTTP: routes, connections, browsers, and its own description."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile

pytestmark = pytest.mark.docker

IDLE_S = 6
"""Longer than the 5 s that are uvicorn's own default (librechat-contract 8, trap 42)."""


@pytest.fixture(scope="module")
def page(caller: Caller) -> StoredFile:
    return caller.upload("page.html", b"<p>" + b"compresses well " * 1000)


class IdleConnection:
    """A connection that was used once, and since when it has been left alone."""

    def __init__(self, port: int) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", port)
        self.ask()
        self.idle_since = time.monotonic()

    def ask(self) -> int:
        self.line.request("GET", "/health")
        answer = self.line.getresponse()
        answer.read()
        return answer.status


@pytest.fixture(scope="module", autouse=True)
def idle(service: RunningService) -> Iterator[IdleConnection]:
    """Opened first, so that the other tests' time is its idle time."""
    idle = IdleConnection(service.port)
    with closing(idle.line):
        yield idle


@pytest.mark.parametrize(
    "path", ["/exec", "/v1/exec", "//exec", "/v1//exec", "//v1///exec", "/v1/exec/"]
)
def test_every_spelling_of_the_base_address_works(caller: Caller, path: str) -> None:
    # The client would tidy the path up.
    url = httpx.URL(caller.http.base_url).copy_with(raw_path=path.encode())

    answer = caller.http.post(url, json={"lang": "py", "code": "print(1)"})

    assert answer.status_code == 200
    assert answer.json()["stdout"] == "1\n"


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_route_is_served_twice(caller: Caller, page: StoredFile, prefix: str) -> None:
    def status(method: str, path: str) -> int:
        return caller.http.request(method, f"{prefix}{path}").status_code

    assert status("GET", "/health") == 200
    assert status("GET", f"/files/{page.session_id}") == 200
    assert status("GET", page.path) == 200
    assert status("HEAD", page.path) == 200
    assert status("DELETE", f"/sessions/{'x' * 21}") == 404
    uploaded = caller.http.post(f"{prefix}/upload", files={"file": ("a.txt", b"1")})
    assert uploaded.status_code == 200


def test_health_needs_no_key_and_names_every_part(service: RunningService) -> None:
    answer = httpx.get(f"{service.address}/health", trust_env=False)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "parts": {"storage": "up", "broker": "up", "executors": 1, "engine": "up"},
    }


def test_a_download_is_never_compressed(caller: Caller, page: StoredFile) -> None:
    """LibreChat relays our headers with bytes that it has decoded (trap 44)."""
    answer = caller.http.get(page.path, headers={"Accept-Encoding": "gzip, deflate, br"})

    assert "content-encoding" not in answer.headers
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("origin", ["http://localhost:3080", "http://localhost:3000"])
def test_librechats_pages_may_call_from_a_browser(service: RunningService, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key,content-type",
    }

    # A browser sends no key with the question.
    answer = httpx.options(f"{service.address}/exec", headers=asked, trust_env=False)

    assert answer.is_success
    assert answer.headers["access-control-allow-origin"] == origin
    for name, wanted in (("headers", "x-api-key"), ("methods", "post")):
        allowed = answer.headers[f"access-control-allow-{name}"].lower()
        assert wanted in allowed or allowed == "*"


def test_other_pages_may_not(caller: Caller) -> None:
    answer = caller.http.get("/health", headers={"Origin": "http://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_basic_credentials_are_a_key(service: RunningService, caller: Caller) -> None:
    """Clients given `http://KEY@host` send it so (librechat-contract 5.1)."""
    answer = httpx.post(
        f"{service.address}/v1/exec",
        json={"lang": "py", "code": "print(1)"},
        auth=(caller.key, ""),
        trust_env=False,
        timeout=60,
    )

    assert answer.json()["stdout"] == "1\n"


def test_a_key_beside_a_token_is_no_contradiction(caller: Caller, page: StoredFile) -> None:
    answer = caller.http.get(
        f"/files/{page.session_id}?detail=summary", headers={"Authorization": "Bearer x.y.z"}
    )

    assert answer.status_code == 200


def test_every_answer_names_the_profile_and_the_wrong_one_is_told_for_good(
    caller: Caller,
) -> None:
    answer = caller.http.post(
        "/exec",
        json={"lang": "py", "code": "1"},
        headers={"X-CodeAPI-Expected-Profile": "stateful"},
    )

    assert answer.status_code == 409
    assert answer.json()["error"] == "execution_profile_mismatch"
    assert answer.headers["x-codeapi-execution-profile"] == "default"


def test_the_service_describes_itself_with_examples(caller: Caller) -> None:
    answer = caller.http.get("/schema/openapi.json")

    assert answer.status_code == 200
    description = answer.json()
    assert description["openapi"].startswith("3.")
    assert set(description["paths"]) == {
        "/exec",
        "/exec/programmatic",
        "/exec/programmatic/cancel",
        "/upload",
        "/upload/batch",
        "/files/{session_id}",
        "/files/{session_id}/{file_id}",
        "/download/{session_id}/{file_id}",
        "/sessions/{session_id}",
        "/sessions/{session_id}/objects/{file_id}",
        "/health",
    }
    exec_body = description["paths"]["/exec"]["post"]["requestBody"]["content"]
    example = exec_body["application/json"]["examples"]["usual"]["value"]
    assert example.keys() >= {"lang", "code", "files"}
    upload_body = description["paths"]["/upload"]["post"]["requestBody"]["content"]
    assert upload_body["multipart/form-data"]["examples"]


def test_the_example_of_a_run_is_one_that_the_service_takes(caller: Caller) -> None:
    description = caller.http.get("/schema/openapi.json").json()
    body = description["paths"]["/exec"]["post"]["requestBody"]["content"]
    example = body["application/json"]["examples"]["usual"]["value"]
    data = caller.upload("data.csv", b"a,b\n1,2\n")

    answer = caller.http.post("/exec", json=example | {"files": [data.reference]})

    assert answer.status_code == 200
    assert answer.json()["stdout"] == "1\n"


def test_an_idle_connection_is_kept_for_longer_than_five_seconds(idle: IdleConnection) -> None:
    line = idle.line.sock
    time.sleep(max(0, idle.idle_since + IDLE_S - time.monotonic()))

    assert idle.ask() == 200
    assert idle.line.sock is line
