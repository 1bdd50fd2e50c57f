"""`LOCAL_MODE`: this machine is let in, and no page of another site (attack-cases 49)."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import ValidationError

from api.settings import ApiSettings
from tests.api.service import UNKNOWN_ID, make_service

RUN = {"lang": "py", "code": "1"}
PATH = f"/files/{UNKNOWN_ID}"


def settings(**more: Any) -> ApiSettings:
    return ApiSettings.model_validate({"local_mode": True, **more})


def local_client() -> TestClient[Litestar]:
    return TestClient(make_service(settings()).app, base_url="http://127.0.0.1:8095")


def test_everybody_on_this_machine_is_let_in_as_one_user() -> None:
    service = make_service(settings())
    client = TestClient(service.app, base_url="http://127.0.0.1:8095")

    assert client.post("/exec", json=RUN).status_code == 200
    request = service.dispatcher.request
    assert (request.tenant, request.user) == ("local", "local-test-user")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8095", "[::1]:8095", "a.localhost"])
def test_it_is_asked_by_a_loopback_name(host: str) -> None:
    assert local_client().get(PATH, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[", ""]
)
def test_a_name_that_was_led_here_is_refused(host: str) -> None:
    """DNS rebinding."""
    answer = local_client().get(PATH, headers={"Host": host})

    assert answer.status_code == 403
    assert answer.json()["error"] == "Forbidden"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.net"]
)
def test_another_sites_page_is_refused(origin: str) -> None:
    answer = local_client().post("/exec", json=RUN, headers={"Origin": origin})

    assert answer.status_code == 403


def test_a_page_of_this_machine_is_not() -> None:
    headers = {"Origin": "http://localhost:3080"}

    assert local_client().post("/exec", json=RUN, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.2", "example.org"])
def test_it_is_for_loopback_alone(host: str) -> None:
    with pytest.raises(ValidationError, match="LOCAL_MODE"):
        settings(code_host=host)
