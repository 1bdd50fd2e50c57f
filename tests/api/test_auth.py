"""Who gets in (librechat-contract 5.4)."""

import base64

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.dispatch import Readiness
from tests.api.service import KEY, OTHER_KEY, OTHER_TENANT, TENANT, UNKNOWN_ID, Service

Client = TestClient[Litestar]

RUN = {"lang": "py", "code": "1"}
ROUTES = [
    ("POST", "/exec"),
    ("POST", "/v1/exec"),
    ("POST", "/upload"),
    ("GET", f"/files/{UNKNOWN_ID}"),
    ("GET", f"/download/{UNKNOWN_ID}/{UNKNOWN_ID}"),
    ("DELETE", f"/sessions/{UNKNOWN_ID}"),
    ("OPTIONS", "/exec"),
]
MISSING_ROUTES = [("GET", "/nope"), ("GET", "/"), ("POST", "/health"), ("GET", "/exec")]


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


class TestWithoutAKey:
    @pytest.mark.parametrize(("method", "path"), ROUTES + MISSING_ROUTES)
    def test_every_route_is_closed_and_so_is_what_is_no_route(
        self, client: Client, method: str, path: str
    ) -> None:
        """An answer that differed would tell strangers which routes there are."""
        answer = client.request(method, path, headers={"X-API-Key": ""})

        assert answer.status_code == 401
        assert answer.json()["error"] == "API key is required"
        assert "X-API-Key" in answer.json()["message"]

    @pytest.mark.parametrize(
        "path", ["/health", "/v1/health", "/schema", "/schema/openapi.json"]
    )
    def test_health_and_the_description_are_open(self, client: Client, path: str) -> None:
        assert client.get(path, headers={"X-API-Key": ""}).status_code == 200

    @pytest.mark.parametrize("path", ["/health", "/v1/health"])
    def test_so_is_the_head_of_health(
        self, client: Client, service: Service, path: str
    ) -> None:
        """Some probes ask for the status alone."""
        well = client.head(path, headers={"X-API-Key": ""})
        service.dispatcher.state = Readiness(broker_up=False, executors=())
        unwell = client.head(path, headers={"X-API-Key": ""})

        assert (well.status_code, unwell.status_code) == (200, 503)
        assert well.content == unwell.content == b""

    def test_a_bearer_token_alone_is_no_key(self, client: Client) -> None:
        answer = client.post(
            "/exec", json=RUN, headers={"X-API-Key": "", "Authorization": f"Bearer {KEY}"}
        )

        assert answer.json()["error"] == "API key is required"


class TestWithAWrongKey:
    @pytest.mark.parametrize(
        "key",
        [
            *(key.encode() for key in (KEY[:-1], KEY + "x", KEY.upper(), f"{KEY},{OTHER_KEY}")),
            "ключ".encode(),
            b"\xff\xfe",
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [*ROUTES[:2], *MISSING_ROUTES[:1]])
    def test_nothing_opens(self, client: Client, key: bytes, method: str, path: str) -> None:
        answer = client.request(method, path, headers=[(b"x-api-key", key)])

        assert answer.status_code == 401
        assert answer.json()["error"] == "Invalid API key"

    @pytest.mark.parametrize("credentials", ["", "%%%", "/w==", "YQ", "Og=="])
    def test_broken_basic_credentials_are_a_wrong_key(
        self, client: Client, credentials: str
    ) -> None:
        headers = {"X-API-Key": "", "Authorization": f"Basic {credentials}"}

        assert client.post("/exec", json=RUN, headers=headers).json()["error"] in {
            "Invalid API key",
            "API key is required",
        }

    def test_the_key_header_decides_even_beside_good_basic_credentials(
        self, client: Client
    ) -> None:
        answer = client.post("/exec", json=RUN, headers={"X-API-Key": "wrong", **basic(KEY)})

        assert answer.status_code == 401

    @pytest.mark.parametrize("keys", [(KEY, OTHER_KEY), (KEY, KEY), (KEY, ""), ("", KEY)])
    def test_so_are_several(self, client: Client, keys: tuple[str, str]) -> None:
        """A proxy in front may have looked at another one."""
        answer = client.post("/exec", json=RUN, headers=[("X-API-Key", key) for key in keys])

        assert (answer.status_code, answer.json()["error"]) == (401, "Invalid API key")

    def test_the_answer_does_not_repeat_it(self, client: Client) -> None:
        answer = client.post("/exec", json=RUN, headers={"X-API-Key": "my-secret-typo"})

        assert "my-secret-typo" not in answer.text


class TestWithAKey:
    @pytest.mark.parametrize(("key", "tenant"), [(KEY, TENANT), (OTHER_KEY, OTHER_TENANT)])
    def test_it_decides_the_tenant(
        self, client: Client, service: Service, key: str, tenant: str
    ) -> None:
        answer = client.post("/exec", json=RUN, headers={"X-API-Key": key})

        assert answer.status_code == 200
        assert service.dispatcher.request.tenant == tenant

    @pytest.mark.parametrize("credentials", [KEY, f"{KEY}:", f"{KEY}:anything"])
    def test_it_may_come_as_the_user_of_basic_credentials(
        self, client: Client, credentials: str
    ) -> None:
        answer = client.post("/exec", json=RUN, headers={"X-API-Key": "", **basic(credentials)})

        assert answer.status_code == 200

    def test_a_bearer_token_beside_it_does_no_harm(self, client: Client) -> None:
        """LibreChat's liveness check sends both (trap 20)."""
        answer = client.post("/exec", json=RUN, headers={"Authorization": "Bearer x.y.z"})

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("given", "user"),
        [
            ({"User-Id": "64b000000000000000000001"}, "64b000000000000000000001"),
            ({"User-Id": "a b"}, "key:default"),
            ({"User-Id": "x" * 129}, "key:default"),
            ({"User-Id": ""}, "key:default"),
            ({}, "key:default"),
        ],
    )
    def test_the_user_is_the_given_one_or_the_key_itself(
        self, client: Client, service: Service, given: dict[str, str], user: str
    ) -> None:
        client.post("/exec", json=RUN, headers=given)

        assert service.dispatcher.request.user == user

    @pytest.mark.parametrize("body_tenant", [{"tenant": OTHER_TENANT}, {"user_id": "root"}])
    def test_the_body_has_no_say(
        self, client: Client, service: Service, body_tenant: dict[str, str]
    ) -> None:
        client.post("/exec", json={**RUN, **body_tenant})

        assert service.dispatcher.request.tenant == TENANT
        assert service.dispatcher.request.user == "key:default"

    def test_the_route_that_is_missing_is_not_found(self, client: Client) -> None:
        answer = client.get("/nope")

        assert answer.status_code == 404
        assert answer.json()["error"] == "Not found"
