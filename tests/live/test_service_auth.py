"""Keys and tokens in a running service: made, exchanged and revoked while it runs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.config import CHECKOUT
from tests.api.tokens import ED25519, OTHER_ED25519, public_pem, token
from tests.live.running_service import RunningService, eventually, running_service

pytestmark = pytest.mark.docker

UNKNOWN = f"/files/{'A' * 21}"
RUN = {"lang": "bash", "code": "true"}


@pytest.fixture(scope="module")
def public_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    (folder / "first.pem").write_text(public_pem(ED25519))
    return folder


@pytest.fixture(scope="module")
def signed(
    tmp_path_factory: pytest.TempPathFactory, public_keys: Path
) -> Iterator[RunningService]:
    """A service for keys and for tokens."""
    settings = {
        "CODEAPI_JWT_PUBLIC_KEYS_DIR": str(public_keys),
        "CODEAPI_JWT_KEY_CACHE_TTL_SECONDS": "0.2",
        "CODEAPI_PLAN_LIMITS": '{"small": {"exec": "1/1h"}}',
        "SANDBOX_POOL_SIZE": "1",
    }
    with running_service(tmp_path_factory.mktemp("signed") / "work", settings) as service:
        yield service


def keys(service: RunningService, *arguments: str) -> str:
    """Run `./code-command keys` as people do beside a service; return what it prints."""
    done = subprocess.run(
        (sys.executable, "-P", "-m", "infra.local", "keys", *arguments),
        env=service.environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def ask(service: RunningService, **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"{service.address}{UNKNOWN}", headers=sent, trust_env=False).status_code


def test_a_key_that_is_made_opens_it_and_revoked_it_does_not(signed: RunningService) -> None:
    key = keys(signed, "create", "--tenant", "acme", "--name", "a script")
    eventually(lambda: ask(signed, X_API_Key=key) == 404, "the new key opens it")
    listed = keys(signed, "list").splitlines()
    key_id = listed[-1].split()[0]

    assert "a script" in listed[-1]
    assert key not in (signed.work_dir / "keys.json").read_text()
    keys(signed, "revoke", key_id)
    eventually(lambda: ask(signed, X_API_Key=key) == 401, "the revoked key opens nothing")
    assert key not in signed.log("api")


def test_a_key_has_limits_of_its_own(signed: RunningService) -> None:
    key = keys(signed, "create", "--tenant", "acme", "--limit", "list=2/1h")
    eventually(lambda: ask(signed, X_API_Key=key) == 404, "the new key opens it")

    eventually(lambda: ask(signed, X_API_Key=key) == 429, "it has asked twice")


def test_a_token_opens_it_as_soon_as_its_key_is_in_the_folder(
    signed: RunningService, public_keys: Path
) -> None:
    def status() -> int:
        offered = token(OTHER_ED25519, kid="second")
        return ask(signed, Authorization=f"Bearer {offered}")

    assert ask(signed, Authorization=f"Bearer {token(kid='first')}") == 404
    assert status() == 401
    (public_keys / "second.pem").write_text(public_pem(OTHER_ED25519))
    eventually(lambda: status() == 404, "the second key is found")
    (public_keys / "second.pem").unlink()
    eventually(lambda: status() == 401, "the second key is gone")


def test_a_plan_has_limits_of_its_own(signed: RunningService) -> None:
    def run(**claims: Any) -> int:
        headers = {"Authorization": f"Bearer {token(kid='first', **claims)}"}
        return httpx.post(
            f"{signed.address}/exec", json=RUN, headers=headers, trust_env=False, timeout=60
        ).status_code

    assert [run(plan_id="small"), run(plan_id="small")] == [200, 429]
    assert run(sub="64b000000000000000000002") == 200, "without a plan it has the server's"


def test_no_credential_is_in_any_log(signed: RunningService) -> None:
    offered = token(OTHER_ED25519, kid="nobody's")
    ask(signed, Authorization=f"Bearer {offered}", X_API_Key="a-wrong-key-of-this-test")

    logs = signed.log("api") + signed.output
    assert offered.rpartition(".")[2] not in logs
    assert "a-wrong-key-of-this-test" not in logs
