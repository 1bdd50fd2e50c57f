"""The description that is served: complete, with examples, and true."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.exec_answer import ExecAnswer
from tests.api.service import Service

Client = TestClient[Litestar]


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    return client.get("/schema/openapi.json", headers={"X-API-Key": ""}).json()


class TestDescription:
    def test_every_route_is_in_it_once(self, schema: dict[str, Any]) -> None:
        operations = {
            (path, method) for path, item in schema["paths"].items() for method in item
        }

        assert operations == {
            ("/exec", "post"),
            ("/exec/programmatic", "post"),
            ("/exec/programmatic/cancel", "post"),
            ("/upload", "post"),
            ("/upload/batch", "post"),
            ("/files/{session_id}", "get"),
            ("/files/{session_id}/{file_id}", "delete"),
            ("/sessions/{session_id}/objects/{file_id}", "get"),
            ("/download/{session_id}/{file_id}", "get"),
            ("/download/{session_id}/{file_id}", "head"),
            ("/sessions/{session_id}", "delete"),
            ("/health", "get"),
            ("/health", "head"),
            ("/ready", "get"),
        }
        assert [server["url"] for server in schema["servers"]] == ["/", "/v1"]

    def test_it_is_at_the_root_of_its_path_too(
        self, client: Client, schema: dict[str, Any]
    ) -> None:
        assert client.get("/schema").json() == schema

    def test_a_key_is_asked_for_but_not_for_health(self, schema: dict[str, Any]) -> None:
        assert schema["security"] == [{"key": []}, {"basic": []}]
        assert schema["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
        assert schema["paths"]["/health"]["get"]["security"] == [{}]

    @pytest.mark.parametrize("path", ["/exec", "/upload", "/upload/batch"])
    def test_request_and_answer_have_examples(self, schema: dict[str, Any], path: str) -> None:
        operation = schema["paths"][path]["post"]

        (request,) = operation["requestBody"]["content"].values()
        (answer,) = operation["responses"]["200"]["content"].values()
        assert request["examples"]
        assert answer["examples"]
        assert {"400", "401", "413", "503", "504"} <= operation["responses"].keys()

    def test_a_client_that_sends_the_example_gets_as_far_as_its_files(
        self, client: Client, service: Service, schema: dict[str, Any]
    ) -> None:
        content = schema["paths"]["/exec"]["post"]["requestBody"]["content"]
        example = content["application/json"]["examples"]["usual"]["value"]

        answer = client.post("/exec", json=example)
        without_files = client.post("/exec", json={**example, "files": []})

        assert answer.status_code == 422
        assert without_files.status_code == 200
        assert service.dispatcher.request.code == example["code"]

    def test_the_example_of_an_answer_is_one(self, schema: dict[str, Any]) -> None:
        content = schema["paths"]["/exec"]["post"]["responses"]["200"]["content"]
        example = content["application/json"]["examples"]["usual"]["value"]

        nulls = dict.fromkeys(("signal", "message", "status"))  # Left out by the renderer.

        assert ExecAnswer.model_validate({**nulls, **example}).files[0].inherited

    @pytest.mark.parametrize("path", ["/schema/swagger", "/schema/nope"])
    def test_no_other_page_is_beside_it(self, client: Client, path: str) -> None:
        answer = client.get(path)

        assert answer.status_code == 404
        assert answer.json()["error"] == "Not found"
