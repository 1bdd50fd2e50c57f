"""Where the routes are (librechat-contract 2.0 and 7.3)."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.service import UNKNOWN_ID, make_client, make_service, make_settings

Client = TestClient[Litestar]
HOST = "http://testserver.local"


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/exec", "//exec", "/exec/", "/v1/exec", "/v1//exec", "//v1///exec//"]
    )
    def test_prefix_and_slashes_do_not_matter(self, client: Client, path: str) -> None:
        """Older clients join `http://h/v1/` and `/exec` (trap 46)."""
        answer = client.post(f"{HOST}{path}", json={"lang": "py", "code": "1"})

        assert answer.status_code == 200

    @pytest.mark.parametrize("path", ["/v1/v1/exec", "/v2/exec", "/execute", "/exec/more"])
    def test_other_paths_are_not_found(self, client: Client, path: str) -> None:
        answer = client.post(path, json={"lang": "py", "code": "1"})

        assert answer.status_code == 404
        assert answer.json()["error"] == "Not found"

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/exec", {"POST", "OPTIONS"}),
            ("PUT", "/v1/upload", {"POST", "OPTIONS"}),
            ("POST", f"/files/{UNKNOWN_ID}", {"GET", "OPTIONS"}),
            ("DELETE", f"/download/{UNKNOWN_ID}/{UNKNOWN_ID}", {"GET", "HEAD", "OPTIONS"}),
        ],
    )
    def test_a_wrong_method_is_told_the_right_ones(
        self, client: Client, method: str, path: str, allowed: set[str]
    ) -> None:
        answer = client.request(method, path)

        assert answer.status_code == 405
        assert answer.json()["error"] == "Method not allowed"
        assert set(answer.headers["allow"].split(", ")) == allowed

    @pytest.mark.parametrize("prefix", ["", "/v1"])
    @pytest.mark.parametrize("path", ["/health", f"/download/{UNKNOWN_ID}/{UNKNOWN_ID}"])
    def test_who_asks_for_the_methods_of_a_path_is_told_all(
        self, client: Client, prefix: str, path: str
    ) -> None:
        answer = client.options(prefix + path)

        assert answer.status_code == 204
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


class TestProfile:
    @pytest.mark.parametrize("path", ["/health", "/nope", f"/files/{UNKNOWN_ID}"])
    def test_every_response_names_it(self, client: Client, path: str) -> None:
        assert client.get(path).headers["x-codeapi-execution-profile"] == "default"

    def test_a_client_that_expects_it_is_served(self, client: Client) -> None:
        answer = client.post(
            "/exec",
            json={"lang": "py", "code": "1"},
            headers={"X-CodeAPI-Expected-Profile": "default"},
        )

        assert answer.status_code == 200

    def test_a_client_that_means_another_server_is_told_so(self, client: Client) -> None:
        answer = client.post("/exec", headers={"X-CodeAPI-Expected-Profile": "stateful"})

        assert answer.status_code == 409
        assert answer.json() == {
            "error": "execution_profile_mismatch",
            "message": "Expected the stateful execution profile, but reached default",
            "expected_profile": "stateful",
            "actual_profile": "default",
        }

    @pytest.mark.parametrize("expected", [["fancy"], ["default", "default"]])
    def test_a_profile_that_is_none_is_refused(
        self, client: Client, expected: list[str]
    ) -> None:
        headers = [("X-CodeAPI-Expected-Profile", value) for value in expected]

        answer = client.post("/exec", headers=headers)

        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_execution_profile"


class TestCors:
    @pytest.mark.parametrize(
        "origin", ["http://localhost:3080", "http://localhost:3000", "https://localhost:3000"]
    )
    def test_listed_pages_may_ask(self, client: Client, origin: str) -> None:
        answer = client.options(
            "/exec",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-api-key, content-type",
                "X-API-Key": "",
            },
        )

        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origin
        assert "x-api-key" in answer.headers["access-control-allow-headers"]

    def test_they_can_read_refusals_too(self, client: Client) -> None:
        headers = {"Origin": "http://localhost:3080", "X-API-Key": ""}

        answer = client.get(f"/files/{UNKNOWN_ID}", headers=headers)

        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3080"

    @pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3080.evil"])
    def test_other_pages_get_no_permission(self, client: Client, origin: str) -> None:
        answer = client.get("/health", headers={"Origin": origin})

        assert "access-control-allow-origin" not in answer.headers

    def test_the_list_is_a_setting(self) -> None:
        client = make_client(make_service(make_settings(cors_origins="https://chat.example")))

        answer = client.get("/health", headers={"Origin": "https://chat.example"})

        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
