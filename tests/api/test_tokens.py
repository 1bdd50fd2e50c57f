"""LibreChat's tokens: what opens the API, and what does not (librechat-contract 5.3)."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import ValidationError

from api.auth_errors import TokenInvalidError, TokensMisconfiguredError
from api.settings import ApiSettings
from api.token_keys import TokenKeys, load_token_keys
from api.token_verifier import TokenVerifier
from executor.messages import MemoryClass
from tests.api.forged_tokens import ATTACKS, now
from tests.api.service import KEY, UNKNOWN_ID, make_service
from tests.api.tokens import (
    ED25519,
    KID,
    OTHER_ED25519,
    RSA,
    SECRET,
    SMALL_RSA,
    USER,
    public_jwk,
    public_pem,
    token,
)

PATH = f"/files/{UNKNOWN_ID}"


def settings(**more: Any) -> ApiSettings:
    named = {"code_api_key": KEY, "codeapi_jwt_public_key": public_pem(ED25519)}
    return ApiSettings.model_validate({**named, "codeapi_jwt_kid": KID, **more})


def client_of(named: ApiSettings) -> TestClient[Litestar]:
    return TestClient(make_service(named).app)


class TestAttacks:
    """attack-cases 49: each is a 401, and says the same."""

    @pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
    def test_it_opens_nothing(self, attack: Callable[[], str]) -> None:
        keys = json.dumps({"keys": [public_jwk(RSA, "rsa")]})
        client = client_of(settings(codeapi_jwt_jwks_json=keys))
        value = f"Bearer {attack()}".encode("latin-1")
        # A key beside it, which is good, does not help: the token decides.
        headers = {b"Authorization": value, b"X-API-Key": KEY.encode()}
        answer = client.get(PATH, headers=headers)  # type: ignore[arg-type] # bytes, as sent

        assert answer.status_code == 401
        assert answer.json()["error"] == "Invalid bearer token"

    def test_without_a_tenant_none_is_let_in_where_each_needs_one(self) -> None:
        strict = TokenVerifier(settings(codeapi_tenant_isolation_strict=True))

        assert strict.caller(token()).tenant == "acme"
        with pytest.raises(TokenInvalidError):
            strict.caller(token(tenant_id=None))

    def test_two_of_them_are_refused(self) -> None:
        headers = [("Authorization", f"Bearer {token()}")] * 2
        answer = client_of(settings()).get(PATH, headers=headers)  # type: ignore[arg-type] # a list repeats

        assert answer.status_code == 401

    def test_what_was_refused_is_not_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        offered = token(OTHER_ED25519)
        with caplog.at_level(logging.DEBUG):
            client_of(settings()).get(PATH, headers={"Authorization": f"Bearer {offered}"})

        assert offered not in caplog.text
        assert offered.split(".")[1] not in caplog.text


class TestGoodOnes:
    def test_it_proves_the_user_and_the_tenant(self) -> None:
        caller = TokenVerifier(settings()).caller(token())

        assert (caller.tenant, caller.user, caller.user_is_proven) == ("acme", USER, True)

    def test_it_may_be_used_again_and_again(self) -> None:
        verifier, once = TokenVerifier(settings()), token()

        assert verifier.caller(once) == verifier.caller(once)

    @pytest.mark.parametrize(
        "changed",
        [
            lambda: {"aud": ["other", "codeapi"]},
            lambda: {"principal_source": "openid_reuse"},
            lambda: {"iat": now() + 20, "nbf": now() + 20, "exp": now() + 320},
            lambda: {"iat": now() - 320, "nbf": now() - 320, "exp": now() - 20},
            lambda: {"more": {"of": "anything"}},
        ],
        ids=["several-audiences", "openid", "clock-ahead", "clock-behind", "unknown-claims"],
    )
    def test_what_the_contract_allows_is_let_in(
        self, changed: Callable[[], dict[str, Any]]
    ) -> None:
        assert TokenVerifier(settings()).caller(token(**changed())).user == USER

    def test_one_without_a_tenant_gets_the_one_that_is_set(self) -> None:
        assert TokenVerifier(settings()).caller(token(tenant_id=None)).tenant == "legacy"
        ours = settings(codeapi_jwt_single_tenant_id="default")
        assert TokenVerifier(ours).caller(token(tenant_id=None)).tenant == "default"

    def test_tenants_that_are_no_folders_stay_apart(self) -> None:
        verifier = TokenVerifier(settings())
        names = ["a/b", "a.b", "..", "ü", "a" * 100, f"h_{'0' * 60}"]
        found = {verifier.caller(token(tenant_id=name)).tenant for name in names}

        assert len(found) == len(names)
        assert all(tenant.startswith("h_") and len(tenant) == 62 for tenant in found)
        expected = hashlib.sha256(b"a/b").hexdigest()[:60]
        assert f"h_{expected}" in found

    def test_a_plan_brings_its_limits(self) -> None:
        plans = json.dumps({"pro": {"exec": "100/30s", "memory_class": "large"}})
        verifier = TokenVerifier(settings(codeapi_plan_limits=plans))

        pro = verifier.caller(token(plan_id="pro"))
        assert (pro.rates, pro.memory_class) == ({"exec": "100/30s"}, MemoryClass.LARGE)
        for plan in ("unknown", 1, ["pro"], None):
            assert verifier.caller(token(plan_id=plan)).rates == {}

    def test_issuer_and_audience_are_those_that_are_set(self) -> None:
        ours = settings(codeapi_jwt_issuer="us", codeapi_jwt_audience="here")

        assert TokenVerifier(ours).caller(token(iss="us", aud="here")).user == USER
        with pytest.raises(TokenInvalidError):
            TokenVerifier(ours).caller(token())


class TestKeySources:
    def test_each_is_read_and_all_count(self, tmp_path: Path) -> None:
        (tmp_path / "file-pem.pem").write_text(public_pem(RSA))
        (tmp_path / "file-jwk.json").write_text(json.dumps(public_jwk(OTHER_ED25519, "x")))
        verifier = TokenVerifier(
            settings(
                codeapi_jwt_public_key=public_pem(ED25519).replace("\n", "\\n"),
                codeapi_jwt_kid=None,
                codeapi_jwt_key_id="single",
                codeapi_jwt_jwks_json=json.dumps({"keys": [public_jwk(ED25519, "set")]}),
                codeapi_jwt_public_keys_dir=tmp_path,
                codeapi_jwt_hs256_secret=SECRET,
                codeapi_jwt_hs256_kid="shared",
                codeapi_jwt_allowed_algs="EdDSA, RS256, HS256",
            )
        )

        for signed in (
            token(kid="single"),
            token(kid="set"),
            token(RSA, algorithm="RS256", kid="file-pem"),
            token(OTHER_ED25519, kid="file-jwk"),
            token(SECRET, algorithm="HS256", kid="shared"),
        ):
            assert verifier.caller(signed).user == USER

    def test_a_shared_secret_counts_only_where_its_algorithm_is_allowed(self) -> None:
        assert "hs256-dev" not in load_token_keys(settings(codeapi_jwt_hs256_secret=SECRET))

    def test_an_algorithm_that_is_not_allowed_verifies_nothing(self) -> None:
        with pytest.raises(TokenInvalidError):
            TokenVerifier(settings(codeapi_jwt_allowed_algs="RS256")).caller(token())

    def test_keys_are_exchanged_without_a_restart(self, tmp_path: Path) -> None:
        now = 0.0
        (tmp_path / "old.pem").write_text(public_pem(ED25519))
        ours = settings(codeapi_jwt_public_key=None, codeapi_jwt_public_keys_dir=tmp_path)
        keys = TokenKeys(ours, clock=lambda: now)
        assert keys.current().keys() == {"old"}

        (tmp_path / "new.pem").write_text(public_pem(OTHER_ED25519))
        (tmp_path / "old.pem").unlink()
        assert keys.current().keys() == {"old"}
        now = 30.0
        assert keys.current().keys() == {"new"}

    def test_a_file_that_is_no_key_keeps_out_no_other(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "good.pem").write_text(public_pem(ED25519))
        (tmp_path / "broken.pem").write_text("nonsense")
        (tmp_path / "small.pem").write_text(public_pem(SMALL_RSA))
        (tmp_path / ".hidden").write_text("nonsense")
        ours = settings(codeapi_jwt_public_key=None, codeapi_jwt_public_keys_dir=tmp_path)

        assert load_token_keys(ours).keys() == {"good"}
        assert "broken.pem" in caplog.text
        assert "2048 bits" in caplog.text

    def test_with_no_key_left_it_is_told_as_the_servers_fault(self, tmp_path: Path) -> None:
        file = tmp_path / "only.pem"
        file.write_text(public_pem(ED25519))
        ours = settings(
            codeapi_jwt_public_key=None,
            codeapi_jwt_public_keys_dir=tmp_path,
            codeapi_jwt_key_cache_ttl_seconds=0.001,
        )
        verifier = TokenVerifier(ours)
        verifier.caller(token(kid="only"))
        client = client_of(ours)
        file.unlink()
        answer = client.get(PATH, headers={"Authorization": f"Bearer {token(kid='only')}"})

        assert answer.status_code == 500
        assert answer.json()["error"] == "CodeAPI JWT auth is misconfigured"
        with pytest.raises(TokensMisconfiguredError):
            verifier.caller(token(kid="only"))


class TestSettings:
    @pytest.mark.parametrize(
        ("named", "problem"),
        [
            ({"codeapi_jwt_public_key": "nonsense"}, "CODEAPI_JWT_PUBLIC_KEY"),
            ({"codeapi_jwt_kid": None}, "CODEAPI_JWT_KID"),
            ({"codeapi_jwt_jwks_json": "{}"}, "CODEAPI_JWT_JWKS_JSON"),
            ({"codeapi_jwt_jwks_json": '{"keys": [{"kty": "oct"}]}'}, "CODEAPI_JWT_JWKS_JSON"),
            ({"codeapi_jwt_allowed_algs": "none"}, "CODEAPI_JWT_ALLOWED_ALGS"),
            ({"codeapi_jwt_hs256_secret": "short"}, "32 bytes"),
            ({"codeapi_jwt_single_tenant_id": "../x"}, "CODEAPI_JWT_SINGLE_TENANT_ID"),
            ({"codeapi_plan_limits": "[]"}, "CODEAPI_PLAN_LIMITS"),
            ({"codeapi_plan_limits": '{"pro": {"exec": "often"}}'}, "CODEAPI_PLAN_LIMITS"),
            ({"codeapi_jwt_key_cache_ttl_seconds": 301}, "300"),
        ],
    )
    def test_a_mistake_is_told_by_name_at_the_start(
        self, named: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(ValidationError, match=problem):
            settings(**named)

    def test_a_folder_without_a_key_is_told_at_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="CODEAPI_JWT_PUBLIC_KEYS_DIR"):
            settings(codeapi_jwt_public_key=None, codeapi_jwt_public_keys_dir=tmp_path)

    def test_tokens_alone_are_enough_to_start(self) -> None:
        assert settings(code_api_key=None).tokens_are_wanted


class TestOrder:
    @pytest.mark.parametrize("path", [PATH, "/nope"])
    def test_without_any_credentials_a_token_is_asked_for(self, path: str) -> None:
        answer = client_of(settings()).get(path)

        assert answer.status_code == 401
        assert answer.json()["error"] == "Bearer token is required"

    def test_a_token_beside_a_key_decides(self) -> None:
        service = make_service(settings())
        headers = {"Authorization": f"Bearer {token()}", "X-API-Key": "wrong" * 5}
        run = {"lang": "py", "code": "1"}
        answer = TestClient(service.app).post("/exec", json=run, headers=headers)

        assert answer.status_code == 200
        request = service.dispatcher.request
        assert (request.tenant, request.user) == ("acme", USER)

    def test_a_key_alone_is_as_good_as_ever(self) -> None:
        answer = client_of(settings()).get(PATH, headers={"X-API-Key": KEY})

        assert answer.status_code == 404

    def test_where_no_token_can_be_verified_one_beside_a_key_is_not_looked_at(self) -> None:
        headers = {"Authorization": "Bearer nonsense", "X-API-Key": KEY}

        assert TestClient(make_service().app).get(PATH, headers=headers).status_code == 404


class TestFiles:
    """A file that a token's user has stored is that user's."""

    def test_another_proven_user_is_forbidden_and_another_tenant_finds_nothing(self) -> None:
        service = make_service(settings())
        client = TestClient(service.app)

        def get(path: str, **changed: Any) -> int:
            headers = {"Authorization": f"Bearer {token(**changed)}"}
            return client.get(path, headers=headers).status_code

        mine = {"Authorization": f"Bearer {token()}"}
        form = {"file": ("a.txt", b"x")}
        stored = client.post("/upload", files=form, headers=mine).json()
        session = stored["session_id"]
        path = f"/download/{session}/{stored['files'][0]['fileId']}"

        assert get(path) == 200
        assert get(path, sub="64b000000000000000000002") == 403
        assert get(f"/files/{session}", sub="64b000000000000000000002") == 403
        assert get(path, tenant_id="other") == 404
