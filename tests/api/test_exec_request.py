"""What `POST /exec` takes, and what it says to everything else (librechat-contract 2.2)."""

import time
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from executor.messages import MAX_ARG_CHARS, MAX_CODE_BYTES
from tests.api.service import UNKNOWN_ID, Service, make_client, make_service, make_settings

Client = TestClient[Litestar]

RUN: dict[str, Any] = {"lang": "py", "code": "print(1)"}
REFERENCE = {"id": UNKNOWN_ID, "storage_session_id": UNKNOWN_ID, "name": "data.csv"}


def refusal(client: Client, **more: Any) -> str:
    """Send a run with `more`; return the error with which it is refused."""
    answer = client.post("/exec", json={**RUN, **more})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def reference(**changes: Any) -> dict[str, Any]:
    """Return a good file reference with changes; what is `...` is left out."""
    return {key: value for key, value in {**REFERENCE, **changes}.items() if value is not ...}


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("lang", "language"),
        [
            ("py", "py"),
            ("python", "py"),
            ("PYTHON", "py"),
            ("bash", "bash"),
            ("sh", "bash"),
            ("Sh", "bash"),
        ],
    )
    def test_languages_have_aliases_in_any_case(
        self, client: Client, service: Service, lang: str, language: str
    ) -> None:
        client.post("/exec", json={"lang": lang, "code": "x"})

        assert service.dispatcher.request.language == language

    @pytest.mark.parametrize(
        ("args", "sent"),
        [
            (["a b", "$HOME", ""], ("a b", "$HOME", "")),
            ("just one", ("just one",)),
            ([], ()),
            (None, ()),
        ],
    )
    def test_arguments_stay_separate(
        self, client: Client, service: Service, args: Any, sent: tuple[str, ...]
    ) -> None:
        client.post("/exec", json={**RUN, "args": args})

        assert service.dispatcher.request.args == sent

    @pytest.mark.parametrize("nothing", [{}, {"files": []}, {"files": None}])
    def test_no_files_are_no_files(
        self, client: Client, service: Service, nothing: dict[str, Any]
    ) -> None:
        client.post("/exec", json={**RUN, **nothing})

        assert service.dispatcher.request.inputs == ()

    def test_what_other_clients_leak_is_ignored(self, client: Client, service: Service) -> None:
        leaked = {
            "apiKey": "secret",
            "authHeaders": {"a": ["b"]},
            "baseUrl": "http://x",
            "session_id": 7,
            "timeout": "soon",
            "user_id": None,
            "runtime_session_hint": "v2:user:x",
            "files_": [[[]]],
        }

        answer = client.post("/exec", json={**RUN, **leaked})

        assert answer.status_code == 200
        assert service.dispatcher.request.code == "print(1)"

    def test_the_body_is_json_whatever_its_content_type_says(self, client: Client) -> None:
        content = b'{"lang": "py", "code": "1"}'

        for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
            answer = client.post(
                "/exec", content=content, headers={"Content-Type": content_type}
            )
            assert answer.status_code == 200

    def test_code_is_sent_as_it_is(self, client: Client, service: Service) -> None:
        code = 'print("""a\n  b\t\u2028""")\r\n\0# \U0001f600 ü'

        client.post("/exec", json={"lang": "py", "code": code})

        assert service.dispatcher.request.code == code

    def test_each_run_has_ids_and_a_deadline_of_its_own(
        self, client: Client, service: Service
    ) -> None:
        answers = [client.post("/exec", json=RUN).json() for _ in range(2)]

        first, second = service.dispatcher.requests
        assert first.run_id != second.run_id
        assert [first.session_id, second.session_id] == [
            answer["session_id"] for answer in answers
        ]
        assert first.session_id != second.session_id

    def test_a_deadline_is_the_longest_wait_and_the_longest_run_away(self) -> None:
        service = make_service(make_settings(queue_timeout=5, code_exec_timeout=7))
        before = time.time()

        make_client(service).post("/exec", json=RUN)

        assert before + 12 <= service.dispatcher.request.deadline <= time.time() + 12


class TestMissingFields:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "Missing required field: lang"),
            ({"code": "1"}, "Missing required field: lang"),
            ({"lang": "", "code": "1"}, "Missing required field: lang"),
            ({"lang": None, "code": "1"}, "Missing required field: lang"),
            ({"lang": "py"}, "Missing required field: code"),
            ({"lang": "py", "code": None}, "Missing required field: code"),
            ({"lang": "cobol"}, "Missing required field: code"),
        ],
    )
    def test_they_are_named(self, client: Client, body: dict[str, Any], error: str) -> None:
        answer = client.post("/exec", json=body)

        assert answer.status_code == 400
        assert answer.json()["error"] == error

    def test_an_empty_program_is_a_program(self, client: Client) -> None:
        assert client.post("/exec", json={"lang": "py", "code": ""}).status_code == 200


class TestWrongTypes:
    @pytest.mark.parametrize(
        ("field", "values", "error"),
        [
            ("lang", [1, ["py"], {}, True], "lang must be a string"),
            ("code", [1, ["x"], {}, False], "code must be a string"),
            ("args", [1, {}, [1], ["a", None], [["a"]]], "args must be an array of strings"),
            ("files", [1, {}, "x", True], "files must be an array"),
            ("files", [[1], ["x"], [None], [[]]], "files[0] must be an object"),
        ],
    )
    def test_the_field_is_named(
        self, client: Client, field: str, values: list[Any], error: str
    ) -> None:
        for value in values:
            assert refusal(client, **{field: value}) == error

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
    def test_the_body_must_be_an_object(self, client: Client, body: bytes) -> None:
        answer = client.post("/exec", content=body)

        assert answer.status_code == 400
        assert "Expected `object`" in answer.json()["error"]
        assert "must be a JSON object" in answer.json()["message"]

    @pytest.mark.parametrize("body", [b"", b"lang=py&code=1", b"{'lang': 'py'}"])
    def test_a_body_that_is_no_json_is_told_what_it_must_be(
        self, client: Client, body: bytes
    ) -> None:
        answer = client.post("/exec", content=body)

        assert answer.status_code == 400
        assert "must be a JSON object" in answer.json()["message"]


class TestLanguage:
    @pytest.mark.parametrize("lang", ["brainfuck", "cobol", "py ", "../py", "py\0"])
    def test_an_unknown_one_is_named(self, client: Client, lang: str) -> None:
        assert refusal(client, lang=lang) == f"Unsupported language: {lang}"

    def test_a_long_one_is_not_repeated_whole(self, client: Client) -> None:
        assert len(refusal(client, lang="x" * 100_000)) < 100


class TestSize:
    def test_the_largest_program_is_run(self, client: Client) -> None:
        answer = client.post("/exec", json={"lang": "py", "code": "#" * MAX_CODE_BYTES})

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "code",
        ["#" * (MAX_CODE_BYTES + 1), "#" * 10_000_000, "ü" * (MAX_CODE_BYTES // 2 + 1)],
        ids=["one byte over", "ten million", "counted in bytes"],
    )
    def test_a_larger_one_is_told_what_to_do(
        self, client: Client, service: Service, code: str
    ) -> None:
        answer = client.post("/exec", json={"lang": "py", "code": code})

        assert answer.status_code == 413
        assert str(MAX_CODE_BYTES) in answer.json()["message"]
        assert "Upload" in answer.json()["message"]
        assert service.dispatcher.requests == []

    @pytest.mark.parametrize(
        "headers", [{}, {"Content-Length": "60000000"}], ids=["counted", "announced"]
    )
    def test_a_body_over_50_mb_is_refused(
        self, client: Client, headers: dict[str, str]
    ) -> None:
        def body() -> Any:
            for _ in range(1 if headers else 60):
                yield b" " * 1_000_000

        answer = client.post("/exec", content=body(), headers=headers)

        assert answer.status_code == 413
        assert answer.json()["error"] == "request entity too large"

    @pytest.mark.parametrize(
        "args",
        [
            ["x"] * 257,
            ["x" * (MAX_ARG_CHARS + 1)],
            ["x" * MAX_ARG_CHARS] * 64,
            ["\U0001f600" * MAX_ARG_CHARS],
        ],
        ids=["too many", "too long", "too much in all", "too many bytes"],
    )
    def test_arguments_fit_a_command_line(self, client: Client, args: list[str]) -> None:
        assert refusal(client, args=args).startswith("args must not exceed")

    def test_arguments_hold_no_nul(self, client: Client) -> None:
        assert refusal(client, args=["a\0b"]) == "args must not contain NUL characters"


class TestFileReferences:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"id": "short"}, "files[0].id is invalid"),
            ({"id": ...}, "files[0].id is invalid"),
            ({"id": UNKNOWN_ID + "\n"}, "files[0].id is invalid"),
            ({"id": 7}, "files[0].id is invalid"),
            ({"id": "short", "resource_id": "ü"}, "files[0].id is invalid"),
            ({"resource_id": "ü"}, "files[0].resource_id is invalid"),
            ({"resource_id": "x" * 129}, "files[0].resource_id is invalid"),
            ({"storage_session_id": "x" * 36}, "files[0].storage_session_id is invalid"),
            ({"storage_session_id": ...}, "files[0].storage_session_id is invalid"),
            ({"storage_session_id": "../" + "x" * 18}, "files[0].storage_session_id is invalid"),  # noqa: E501 - a row of a table
            ({"name": ...}, "files[0].name must be a string"),
            ({"name": 1}, "files[0].name must be a string"),
            ({"name": ""}, "files[].name must not be empty"),
            ({"name": "../x"}, "files[].name must not contain empty, current, or parent path segments"),  # noqa: E501 - a sentence of the contract
            ({"kind": "root"}, "files[0].kind must be one of: skill, agent, user"),
            ({"kind": 1}, "files[0].kind must be one of: skill, agent, user"),
            ({"kind": "skill"}, "files[0].version is required for kind: 'skill'"),
            ({"kind": "agent", "version": 1}, "files[0].version is only valid for kind: 'skill'"),  # noqa: E501 - a row of a table
            ({"version": 1}, "files[0].version is only valid for kind: 'skill'"),
        ],
    )  # fmt: skip
    def test_each_is_checked(
        self, client: Client, service: Service, changes: dict[str, Any], error: str
    ) -> None:
        assert refusal(client, files=[reference(**changes)]) == error
        assert service.dispatcher.requests == []

    def test_the_failing_one_is_named_by_its_index(self, client: Client) -> None:
        files = [reference(), reference(name="b"), reference(id="?")]

        assert refusal(client, files=files) == "files[2].id is invalid"

    def test_there_may_be_255(self, client: Client) -> None:
        """The program itself is the 256th input (librechat-contract 6.1)."""
        at_most = [reference(name=str(number)) for number in range(255)]

        assert client.post("/exec", json={**RUN, "files": at_most}).status_code == 422
        assert refusal(client, files=[*at_most, reference()]).startswith(
            "files must not exceed 255"
        )

    def test_a_list_of_megabytes_is_refused_before_it_is_looked_at(
        self, client: Client
    ) -> None:
        assert refusal(client, files=[{}] * 1_000_000).startswith("files must not exceed 255")
