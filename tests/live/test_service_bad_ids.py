"""Ids that name nothing, routes that are none, and keys that open nothing."""

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile
from tests.live.running_service_refusals import error, refusal

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_is_stored")]

UNKNOWN = "U" * 21
PROGRAM = {"lang": "py", "code": "open('left.txt', 'w').write('1')"}


@pytest.fixture(scope="module")
def notes(caller: Caller) -> StoredFile:
    return caller.upload("notes.txt", b"kept")


class TestIds:
    @pytest.mark.parametrize("bad", ["short", "x" * 22, "a" * 20 + "!", "%2e%2e"])
    def test_what_is_no_id_is_a_bad_request(
        self, caller: Caller, notes: StoredFile, bad: str
    ) -> None:
        for answer in (
            caller.http.get(f"/files/{bad}"),
            caller.http.get(f"/download/{bad}/{notes.id}"),
            caller.http.get(f"/download/{notes.session_id}/{bad}"),
            caller.http.get(f"/sessions/{notes.session_id}/objects/{bad}"),
            caller.http.delete(f"/files/{bad}/{notes.id}"),
            caller.http.delete(f"/sessions/{bad}"),
        ):
            assert error(answer, 400) == "Bad request"

    def test_a_path_that_climbs_is_no_route(self, caller: Caller, notes: StoredFile) -> None:
        url = f"/download/..%2f..%2f{notes.session_id}/{notes.id}"

        assert error(caller.http.get(url), 404) == "Not found"

    def test_an_unknown_session_is_not_found(self, caller: Caller, notes: StoredFile) -> None:
        assert error(caller.http.get(f"/files/{UNKNOWN}"), 404) == "Session not found"
        assert error(caller.http.delete(f"/sessions/{UNKNOWN}"), 404) == "Session not found"
        for path in (f"{UNKNOWN}/{notes.id}", f"{notes.session_id}/{UNKNOWN}"):
            assert refusal(caller.http.get(f"/download/{path}"), 404) == {
                "error": "File not found",
                "details": "The file may have expired or does not exist",
            }
            assert caller.http.head(f"/download/{path}").status_code == 404
            assert error(caller.http.delete(f"/files/{path}"), 404) == "File not found"
            described = "/sessions/{}/objects/{}".format(*path.split("/"))
            assert error(caller.http.get(described), 404) == "File not found"

    def test_an_unknown_route_or_method_is_told(self, caller: Caller) -> None:
        assert error(caller.http.get("/nowhere"), 404) == "Not found"
        assert error(caller.http.put("/exec"), 405) == "Method not allowed"


class TestKeys:
    @pytest.mark.parametrize(
        ("headers", "text"),
        [
            ({}, "API key is required"),
            ({"X-API-Key": ""}, "API key is required"),
            ({"Authorization": "Bearer x"}, "API key is required"),
            ({"X-API-Key": "wrong"}, "Invalid API key"),
            ({"X-API-Key": "code-command-dev-key"}, "Invalid API key"),
            ({"X-API-Key": "ü".encode().decode("latin-1")}, "Invalid API key"),
            ({"Authorization": "Basic !!"}, "Invalid API key"),
            ({"Authorization": "Basic d3Jvbmc="}, "Invalid API key"),
        ],
    )
    @pytest.mark.parametrize("path", ["/exec", "/upload", "/nowhere"])
    def test_without_a_right_one_nothing_is_told_apart(
        self, service: RunningService, path: str, headers: dict[str, str], text: str
    ) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

        answer = httpx.post(f"{service.address}{path}", headers=raw, json={}, trust_env=False)

        assert error(answer, 401) == text

    def test_a_key_that_is_nearly_right_is_wrong(self, caller: Caller) -> None:
        for key in (caller.key[:-1], f"{caller.key}0", caller.key[::-1], f"{caller.key},x"):
            answer = caller.http.post("/exec", json=PROGRAM, headers={"X-API-Key": key})
            assert error(answer, 401) == "Invalid API key"
