"""Which workspace a request names, and what a client is told (librechat-contract 3.8)."""

import re
from hashlib import sha256
from typing import Any, NamedTuple

import pytest

from executor.messages import Failed, FailureKind, Finished
from tests.api.service import KEY, OTHER_KEY, Service, make_client, make_service, make_settings

HINT = "v2:user:0123456789abcdef0123456789abcdef"
EXPECTED = "X-CodeAPI-Expected-Profile"
PROFILE = "x-codeapi-execution-profile"
OTHER_CHARACTERS = (
    'runtime_session_hint may only contain letters, digits, ".", "_", ":", and "-"'
)
ANN = {"User-Id": "ann"}


def serving(profile: str, **more: Any) -> Service:
    return make_service(make_settings(execution_profile=profile, **more))


def ask(
    service: Service, headers: dict[str, str] | None = None, *, key: str = KEY, **body: Any
) -> Any:
    """Send a run; return the answer."""
    with make_client(service, key) as client:
        return client.post("/exec", json={"lang": "py", "code": "1", **body}, headers=headers)


def state_of(
    service: Service, headers: dict[str, str] | None = None, *, key: str = KEY, **body: Any
) -> str | None:
    """Send a run; return which workspace it has."""
    assert ask(service, headers, key=key, **body).status_code == 200
    return service.dispatcher.requests[-1].state


class Case(NamedTuple):
    """What a server is, what it is asked, and what comes of that."""

    served: str
    expected: str | None
    hint: str | None
    status: int
    keeps: bool
    told: str


class TestProfiles:
    @pytest.mark.parametrize(
        "case",
        [
            Case("default", None, HINT, 200, keeps=False, told="default"),
            Case("default", "default", HINT, 200, keeps=False, told="default"),
            Case("default", "stateful", HINT, 409, keeps=False, told="default"),
            Case("stateful", None, HINT, 200, keeps=True, told="stateful"),
            Case("stateful", None, None, 200, keeps=False, told="stateful"),
            Case("stateful", "stateful", HINT, 200, keeps=True, told="stateful"),
            Case("stateful", "default", HINT, 409, keeps=False, told="stateful"),
            Case("both", None, HINT, 200, keeps=True, told="stateful"),
            Case("both", None, None, 200, keeps=False, told="default"),
            Case("both", "stateful", HINT, 200, keeps=True, told="stateful"),
            Case("both", "stateful", None, 200, keeps=False, told="stateful"),
            Case("both", "default", HINT, 200, keeps=False, told="default"),
        ],
    )
    def test_a_run_keeps_its_workspace_where_server_and_request_agree(self, case: Case) -> None:
        service = serving(case.served)
        headers = {EXPECTED: case.expected} if case.expected else {}

        answer = ask(service, headers, runtime_session_hint=case.hint)

        assert answer.status_code == case.status
        assert answer.headers[PROFILE] == case.told
        assert ("runtime_session_id" in answer.json()) is case.keeps
        if case.status == 200:
            assert (service.dispatcher.request.state is not None) is case.keeps

    def test_one_that_is_neither_is_refused_wherever(self) -> None:
        answer = ask(serving("both"), {EXPECTED: "fancy"})

        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_execution_profile"


class TestHints:
    @pytest.mark.parametrize(
        ("hint", "error"),
        [
            (1, "runtime_session_hint must be a string"),
            (["a"], "runtime_session_hint must be a string"),
            ("a" * 129, "runtime_session_hint must be at most 128 characters"),
            *((hint, OTHER_CHARACTERS) for hint in ("", "a b", "a/b", "ä", "a\n", "\0")),
        ],
    )
    def test_one_that_is_none_is_refused_and_ignored_where_it_means_nothing(
        self, hint: object, error: str
    ) -> None:
        refused = ask(serving("stateful"), runtime_session_hint=hint)

        assert (refused.status_code, refused.json()) == (400, {"error": error})
        assert ask(serving("default"), runtime_session_hint=hint).status_code == 200

    @pytest.mark.parametrize("hint", ["a", "A" * 128, HINT, "v3:0123:.-_"])
    def test_others_are_taken(self, hint: str) -> None:
        answer = ask(serving("stateful"), runtime_session_hint=hint)

        expected = sha256(f"default\0key:default\0{hint}".encode()).hexdigest()[:40]
        assert answer.json()["runtime_session_id"] == f"rt_{expected}"

    def test_in_strict_mode_a_stateful_run_needs_one(self) -> None:
        service = serving("both", state_strict=True)

        answer = ask(service, {EXPECTED: "stateful"})

        assert answer.status_code == 400
        assert answer.json() == {"error": "runtime_session_hint is required in strict mode"}
        assert ask(service, {EXPECTED: "default"}).status_code == 200
        assert ask(service).status_code == 200


class TestWhose:
    def test_tenants_users_and_hints_have_workspaces_of_their_own(self) -> None:
        service = serving("stateful")

        found = [
            (state_of(service, headers, key=key, runtime_session_hint=hint), key)
            for key in (KEY, OTHER_KEY)
            for headers in (ANN, {"User-Id": "bob"}, {})
            for hint in ("a", "b")
        ]

        assert len(set(found)) == 12
        assert all(re.fullmatch("[0-9a-f]{64}", state or "") for state, _ in found)
        assert state_of(service, ANN, runtime_session_hint="a") == found[0][0]

    def test_an_entity_names_the_same_one_where_the_user_is_known(self) -> None:
        service = serving("stateful")
        by_hint = state_of(service, ANN, runtime_session_hint="agent_1")

        assert state_of(service, ANN, entity_id="agent_1") == by_hint
        assert state_of(service, ANN, entity_id="a", runtime_session_hint="agent_1") == by_hint
        assert state_of(service, entity_id="agent_1") is None
        for entity in (1, None, "", "a b", "a" * 129):
            assert state_of(service, ANN, entity_id=entity) is None


class TestAnswers:
    @pytest.mark.parametrize("status", ["reused", "new"])
    def test_a_client_is_told_whether_there_was_one(self, status: str) -> None:
        service = serving("stateful")
        service.dispatcher.outcome = lambda _: Finished(
            exit_code=0, stdout="", stderr="", wall_time_ms=1, state_reused=status == "reused"
        )

        answer = ask(service, runtime_session_hint=HINT).json()

        assert answer["runtime_status"] == status

    @pytest.mark.parametrize(
        ("kind", "status", "error", "message"),
        [
            (FailureKind.STATE_BUSY, 409, "runtime_session_busy", "Runtime session is busy"),
            (
                *(FailureKind.STATE_FENCED, 503, "microvm_fenced"),
                "Runtime session changed during execution",
            ),
            (
                *(FailureKind.STATE_UNLOCKABLE, 503, "microvm_unhealthy"),
                "Sandbox runtime is unavailable",
            ),
        ],
    )
    def test_a_client_is_told_why_there_is_none(
        self, kind: FailureKind, status: int, error: str, message: str
    ) -> None:
        service = serving("stateful")
        service.dispatcher.outcome = lambda _: Failed(kind=kind)

        answer = ask(service, runtime_session_hint=HINT)

        assert answer.status_code == status
        assert answer.json()["error"] == error
        assert answer.json()["message"].startswith(message)
