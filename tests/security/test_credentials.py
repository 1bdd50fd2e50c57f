"""Cases 49 and 50: forged tokens and guessed keys, at a service that takes both."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import httpx
import pytest

from infra.local.config import CHECKOUT
from tests.api.forged_tokens import ATTACKS
from tests.api.tokens import ED25519, KID, RSA, SECRET, public_jwk, token
from tests.live.running_service import RunningService, eventually, running_service
from tests.security.wire import RawLine

pytestmark = [pytest.mark.docker, pytest.mark.alone]

UNKNOWN = f"/files/{'A' * 21}"
PROGRAM = {"lang": "bash", "code": "true"}

ANSWERS_TIMED = 40
MOST_TIMES_SLOWER = 3


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service for keys and for tokens, which logs all it can."""
    jwks = {"keys": [public_jwk(RSA, "rsa"), public_jwk(ED25519, KID)]}
    settings = {
        "CODEAPI_JWT_JWKS_JSON": json.dumps(jwks),
        "CODEAPI_TENANT_ISOLATION_STRICT": "true",
        "LOG_LEVEL": "DEBUG",
        "SANDBOX_POOL_SIZE": "1",
    }
    with running_service(tmp_path_factory.mktemp("door") / "work", settings) as service:
        yield service


def ask(
    door: RunningService, headers: Mapping[str, str | bytes], path: str = UNKNOWN
) -> httpx.Response:
    sent = [
        (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return httpx.get(f"{door.address}{path}", headers=sent, trust_env=False, timeout=20)


@pytest.mark.case(49)
def test_a_forged_token_opens_nothing(door: RunningService) -> None:
    forged = ATTACKS | {
        "no tenant where each needs one": lambda: token(tenant_id=None),
        "HS256 that is not allowed": lambda: token(SECRET, algorithm="HS256"),
    }
    key = door.keys["first"]  # A good key beside it does not help.

    statuses = {
        name: ask(
            door, {"Authorization": f"Bearer {make()}".strip(), "X-API-Key": key}
        ).status_code
        for name, make in forged.items()
    }

    assert {name: status for name, status in statuses.items() if status != 401} == {}
    assert ask(door, {"Authorization": f"Bearer {token()}"}).status_code == 404, "a good one"


@pytest.mark.case(49)
def test_a_good_token_beside_a_forged_one_opens_nothing(door: RunningService) -> None:
    """A proxy in front may have looked at the other one."""
    both = [("Authorization", f"Bearer {each}") for each in (token(), ATTACKS["alg none"]())]
    for headers in (both, both[::-1]):
        answer = httpx.get(f"{door.address}{UNKNOWN}", headers=headers, trust_env=False)
        assert answer.status_code == 401


def guesses(key: str) -> list[dict[str, str | bytes]]:
    """Return headers that are nearly a good key's."""
    return [
        *({"X-API-Key": guess} for guess in (key[:-1], key + "x", key[:-1] + "x", key.upper())),
        *({"X-API-Key": guess} for guess in ("x" + key[1:], f"{key},{key}", f'"{key}"', "*")),
        {"X-API-Key": key.encode() + b"\xff"},
        {"X-API-Key": "a" * 50_000},
        {"X-API-Key": f"first={key}"},
        {"X_API_Key": key},
        {"Cookie": f"X-API-Key={key}"},
        {"Authorization": f"ApiKey {key}"},
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
        {"X-API-Key": "wrong", "Authorization": f"Basic {key}"},
    ]


@pytest.mark.case(50)
def test_what_is_only_nearly_a_key_opens_nothing(door: RunningService) -> None:
    key = door.keys["first"]
    for headers in guesses(key):
        assert ask(door, headers).status_code == 401, headers
    for query in (f"api_key={key}", f"X-API-Key={key}", f"key={key}", f"apiKey={key}"):
        assert ask(door, {}, f"{UNKNOWN}?{query}").status_code == 401
    body = PROGRAM | {"apiKey": key}
    answer = httpx.post(f"{door.address}/exec", json=body, trust_env=False)
    assert answer.status_code == 401
    assert ask(door, {"X-API-Key": key}).status_code == 404, "the key itself"


@pytest.mark.case(50)
def test_how_near_a_guess_is_cannot_be_told_from_the_time(door: RunningService) -> None:
    key = door.keys["first"]

    def fastest_s(guess: str) -> float:
        with httpx.Client(base_url=door.address, trust_env=False) as client:
            took_s: list[float] = []
            for _ in range(ANSWERS_TIMED):
                began_at = time.perf_counter()
                assert client.get(UNKNOWN, headers={"X-API-Key": guess}).status_code == 401
                took_s.append(time.perf_counter() - began_at)
            return min(took_s)

    far, near = fastest_s("!" * len(key)), fastest_s(key[:-1] + "!")

    assert max(far, near) < MOST_TIMES_SLOWER * min(far, near)


@pytest.mark.case(50)
def test_a_revoked_key_opens_nothing_more(door: RunningService) -> None:
    key = _keys(door, "create", "--tenant", "acme")
    eventually(lambda: ask(door, {"X-API-Key": key}).status_code == 404, "it opens")

    _keys(door, "revoke", _keys(door, "list").splitlines()[-1].split()[0])

    eventually(lambda: ask(door, {"X-API-Key": key}).status_code == 401, "it does not")
    assert key not in _all_logs(door)


@pytest.mark.case(50)
def test_no_log_has_a_key_wherever_it_was_sent(door: RunningService) -> None:
    key, secret_program = door.keys["first"], "echo what-nobody-should-log"
    told = token()
    with door.caller() as caller:
        caller.run(secret_program, lang="bash", apiKey=key, authHeaders={"X-API-Key": key})
        for path in (
            f"{UNKNOWN}?api_key={key}",
            f"/{key}",
            f"/files/{key}",
            f"/{quote(key)}//",
        ):
            caller.http.get(path)
        caller.http.post("/exec", content=f'{{"apiKey": "{key}", "lang": 1'.encode())
        caller.http.get(UNKNOWN, headers={"User-Id": key})
        ask(door, {"Authorization": f"Bearer {told}"})
        line = RawLine(door, caller)
    with line.socket:
        line.socket.sendall(f"GET /{key} NONSENSE\r\nX-API-Key: {key}\r\n\r\n".encode())
        assert line.status() == 400

    logs = _all_logs(door)
    assert '"level": "debug"' in logs, "all that it can say"
    for secret in (*door.keys.values(), secret_program, told, told.rpartition(".")[2]):
        assert secret not in logs


def _keys(door: RunningService, *arguments: str) -> str:
    return subprocess.run(
        (sys.executable, "-P", "-m", "infra.local", "keys", *arguments),
        env=door.environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def _all_logs(door: RunningService) -> str:
    files = (door.work_dir / "logs").iterdir()
    return door.output + "".join(file.read_text(errors="replace") for file in files)
