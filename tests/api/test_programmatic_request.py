"""`POST /exec/programmatic`: every check of a first request, in its order (contract 4.2)."""

import json
from typing import Any

import pytest

from executor.messages import Failed, FailureKind, Finished, Stopped
from tests.api.conftest import Client
from tests.api.programmatic import PROGRAM, TOOL, waiting
from tests.api.service import DONE, UNKNOWN_ID, Service


def refused(client: Client, **body: Any) -> tuple[int, Any]:
    answer = client.post("/exec/programmatic", json={**PROGRAM, **body})
    return answer.status_code, answer.json()["error"]


FILE = {"id": UNKNOWN_ID, "storage_session_id": UNKNOWN_ID, "name": "a.txt"}


class TestChecks:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (
                {"lang": "ruby", "timeout": -1},
                'Unsupported language "ruby"; supported values are "python" and "bash"',
            ),
            (
                {"language": "js", "lang": "python"},
                'Unsupported language "js"; supported values are "python" and "bash"',
            ),
            (
                {"timeout": 0, "code": ""},
                "timeout must be a positive number of milliseconds",
            ),
            ({"timeout": "5"}, "timeout must be a positive number of milliseconds"),
            ({"timeout": True}, "timeout must be a positive number of milliseconds"),
            ({"code": "", "tools": None}, "Missing required field: code"),
            ({"code": 7}, "Missing required field: code"),
            (
                {"tools": None},
                "Missing required field: tools (must be a non-empty array)",
            ),
            ({"tools": {}}, "Missing required field: tools (must be a non-empty array)"),
            ({"tools": [TOOL] * 101}, "Too many tools provided (101). Maximum is 100."),
            (
                {"tools": [TOOL, {"name": ""}]},
                "tools[1] must be an object with a name of 1 to 1024 bytes",
            ),
            (
                {"files": [{**FILE, "name": "a/_ptc_history.json"}]},
                (
                    'files[].name "a/_ptc_history.json" is reserved for PTC runtime and cannot'
                    " be supplied by callers"
                ),
            ),
            (
                {"files": [{**FILE, "name": "../x"}]},
                (
                    'files[].name "../x" is reserved for PTC runtime and cannot be supplied by'
                    " callers"
                ),
            ),
            (
                {"lang": "bash", "tools": [{"name": "a-b"}, {"name": "a.b"}]},
                (
                    'Bash tool names "a-b" and "a.b" normalize to the same function identifier'
                    ' "a_b"; rename one to avoid collision'
                ),
            ),
            ({"files": [{"id": "x"}]}, "files[0].id is invalid"),
        ],
    )
    def test_what_is_wrong_is_told_in_the_contracts_words(
        self, client: Client, service: Service, body: dict[str, Any], error: str
    ) -> None:
        assert refused(client, **body) == (400, error)
        assert service.dispatcher.requests == []

    def test_a_state_that_is_too_large_is_a_413(self, client: Client) -> None:
        description = "x" * 10_000_000
        tools = [{**TOOL, "description": description}]
        size = len(json.dumps(PROGRAM["code"])) + len(json.dumps(tools, separators=(",", ":")))

        answer = client.post(
            "/exec/programmatic",
            content=json.dumps({**PROGRAM, "tools": tools}, separators=(",", ":")),
        )

        assert answer.status_code == 413
        assert answer.json()["error"].startswith(
            f"Request too large: serialized execution state is {size + 4} bytes (max 10000000)."
        )

    def test_a_file_of_an_unknown_session_is_told_as_by_exec(self, client: Client) -> None:
        assert refused(client, files=[FILE]) == (422, "session_input_unavailable")

    def test_the_well_known_header_must_be_an_id(self, client: Client) -> None:
        client.headers["X-LibreChat-Code-Request-ID"] = "short"

        assert refused(client) == (400, "Invalid programmatic request ID")


class TestWhatIsRun:
    def test_tools_go_with_the_names_of_their_arguments(
        self, client: Client, service: Service
    ) -> None:
        schema = {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {}},
            "required": ["city"],
        }
        tools = [{"name": "get-weather", "parameters": schema}, {"name": "now"}]
        client.post("/exec/programmatic", json={**PROGRAM, "tools": tools, "timeout": 1500})

        asked = service.dispatcher.request
        assert asked.tools is not None
        assert [(tool.name, tool.parameters, tool.required) for tool in asked.tools] == [
            ("get-weather", ("city", "unit"), ("city",)),
            ("now", (), ()),
        ]
        assert asked.time_limit_s == 1.5

    @pytest.mark.parametrize(
        ("body", "language"),
        [
            ({}, "py"),
            ({"lang": "py"}, "py"),
            ({"lang": "Python"}, "py"),
            ({"lang": "sh"}, "bash"),
            ({"lang": "bash"}, "bash"),
            ({"lang": "bash", "language": "python"}, "py"),
        ],
    )
    def test_languages_have_their_aliases(
        self, client: Client, service: Service, body: dict[str, str], language: str
    ) -> None:
        client.post("/exec/programmatic", json={**PROGRAM, **body})

        assert service.dispatcher.request.language == language

    @pytest.mark.parametrize("schema", [None, [], "x", {"properties": 5}, {"required": {}}])
    def test_a_schema_that_is_none_has_no_arguments(
        self, client: Client, service: Service, schema: Any
    ) -> None:
        tools = [{"name": "now", "parameters": schema}]
        client.post("/exec/programmatic", json={**PROGRAM, "tools": tools})

        asked = service.dispatcher.request
        assert asked.tools is not None
        assert asked.tools[0].parameters == ()

    def test_no_tools_at_all_are_fine(self, client: Client, service: Service) -> None:
        answer = client.post("/exec/programmatic", json={"code": "1", "tools": []})

        assert answer.json()["status"] == "completed"
        assert service.dispatcher.request.tools == ()


class TestEnd:
    def told(self, client: Client, service: Service, result: Any) -> tuple[int, Any]:
        service.dispatcher.outcome = lambda _: result
        answer = client.post("/exec/programmatic", json=PROGRAM)
        body = answer.json()
        body.pop("session_id", None)
        return answer.status_code, body

    def test_a_program_that_ends_well_is_completed(
        self, client: Client, service: Service
    ) -> None:
        result = DONE.model_copy(update={"stdout": "14\n"})

        assert self.told(client, service, result) == (
            200,
            {"status": "completed", "stdout": "14\n", "stderr": "", "files": []},
        )

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"exit_code": 3}, "Sandbox exited with code 3"),
            ({"exit_code": None, "signal": "SIGTERM"}, "Sandbox exited with code unknown"),
            (
                {"stopped": Stopped.TIME, "message": "Time limit exceeded", "exit_code": None},
                "Time limit exceeded",
            ),
        ],
    )
    def test_one_that_fails_is_an_error_with_its_output(
        self, client: Client, service: Service, changes: dict[str, Any], error: str
    ) -> None:
        status, body = self.told(client, service, DONE.model_copy(update=changes))

        assert (status, body["status"], body["error"]) == (200, "error", error)
        assert body["files"] == []

    def test_a_cut_stderr_alone_is_no_error(self, client: Client, service: Service) -> None:
        result = DONE.model_copy(update={"message": "stderr truncated at 65536 bytes"})

        assert self.told(client, service, result)[1]["status"] == "completed"

    def test_too_many_calls_are_a_400(self, client: Client, service: Service) -> None:
        result = Finished(
            exit_code=None, stopped=Stopped.CALLS, stdout="", stderr="", wall_time_ms=1
        )

        assert self.told(client, service, result) == (
            400,
            {"error": "Execution exceeded maximum tool calls (200)"},
        )

    def test_too_much_input_is_a_413(self, client: Client, service: Service) -> None:
        result = DONE.model_copy(update={"stopped": Stopped.CALL_BYTES})
        status, body = self.told(client, service, result)

        assert (status, body["status"]) == (413, "error")
        assert body["error"].startswith("Replay state grew too large")

    def test_a_tool_that_it_does_not_have_is_named(
        self, client: Client, service: Service
    ) -> None:
        result = Failed(kind=FailureKind.UNKNOWN_TOOL, detail="rm")
        status, body = self.told(client, service, result)

        assert (status, body["status"]) == (200, "error")
        assert body["error"] == "Sandbox requested an unregistered tool: rm"

    def test_a_service_that_fails_is_told_as_by_exec(
        self, client: Client, service: Service
    ) -> None:
        status, body = self.told(client, service, Failed(kind=FailureKind.SANDBOX_UNAVAILABLE))

        assert (status, body["error"]) == (503, "microvm_launch_failed")

    def test_a_program_nobody_could_go_on_with_is_ended(
        self, client: Client, service: Service
    ) -> None:
        """The result store does not answer (contract 4.4)."""
        status, body = self.told(client, service, waiting())

        assert status == 503
        assert body == {
            "status": "error",
            "error": "Failed to persist replay state; please retry the request from scratch",
        }
        assert service.rounds.ended == ["held"]
