"""Who may use which session of a tenant (librechat-contract 2.0, 3.2, 5.4 and 7.3)."""

from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.caller import Caller
from api.errors import ApiError, ForbiddenError
from api.scopes import NAMELESS, AskedScope, read_scope, require_use
from storage.ids import new_id
from storage.records import Scope, SessionRecord
from tests.api.service import TENANT, UNKNOWN_ID, Service

Client = TestClient[Litestar]

ALICE = Caller(tenant=TENANT, user="alice", user_is_proven=True)
BOB = Caller(tenant=TENANT, user="bob", user_is_proven=True)
KEY_HOLDER = Caller(tenant=TENANT, user=f"{NAMELESS}{TENANT}")
KEY_HOLDER_FOR_BOB = Caller(tenant=TENANT, user="bob")

NOTHING_SAID: dict[str, Any] = {}
AS_USER = {"kind": "user"}
AS_AGENT = {"kind": "agent", "id": "x"}
AS_SKILL = {"kind": "skill", "id": "x", "version": 2}
AS_ENTITY = {"entity_id": "x"}

USERS_OWN = Scope()
AGENTS = Scope(kind="agent", id="x")
SKILLS = Scope(kind="skill", id="x", version=2)
ENTITYS = Scope(entity_id="x")


def is_let_in(
    caller: Caller, said: dict[str, Any], scope: Scope, *, user: str = "alice"
) -> bool:
    record = SessionRecord(
        session_id=new_id(),
        origin="upload",
        user=user,
        scope=scope,
        created_at="2026-11-22T10:00:00Z",  # pyright: ignore[reportArgumentType] - parsed
    )
    try:
        require_use(caller, record, AskedScope(**said))
    except ForbiddenError:
        return False
    return True


class TestProvenUsers:
    """With a token, it is known who asks."""

    @pytest.mark.parametrize("said", [NOTHING_SAID, AS_USER, {"kind": "user", "id": "bob"}])
    def test_what_is_a_users_own_is_nobody_elses(self, said: dict[str, Any]) -> None:
        assert is_let_in(ALICE, said, USERS_OWN)
        assert not is_let_in(BOB, said, USERS_OWN)

    def test_what_was_uploaded_with_a_key_in_a_users_name_is_that_users(self) -> None:
        """The header and the token hold the same id (librechat-contract 5.4)."""
        assert is_let_in(BOB, NOTHING_SAID, USERS_OWN, user=KEY_HOLDER_FOR_BOB.user)
        assert not is_let_in(ALICE, NOTHING_SAID, USERS_OWN, user=KEY_HOLDER_FOR_BOB.user)

    def test_what_a_key_made_in_nobodys_name_is_protected_by_its_ids(self) -> None:
        assert is_let_in(BOB, NOTHING_SAID, USERS_OWN, user=KEY_HOLDER.user)

    @pytest.mark.parametrize(
        ("said", "scope"),
        [(AS_AGENT, AGENTS), (AS_SKILL, SKILLS), (AS_ENTITY, ENTITYS), (AS_ENTITY, AGENTS)],
    )
    def test_agents_and_skills_files_are_everybodys_who_knows_them(
        self, said: dict[str, Any], scope: Scope
    ) -> None:
        assert is_let_in(BOB, said, scope)

    @pytest.mark.parametrize("scope", [AGENTS, SKILLS, ENTITYS])
    @pytest.mark.parametrize("said", [NOTHING_SAID, {"entity_id": "y"}, {"kind": "agent"}])
    def test_not_to_name_them_is_for_who_uploaded_them_alone(
        self, scope: Scope, said: dict[str, Any]
    ) -> None:
        assert not is_let_in(BOB, said, scope)
        if "kind" not in said:
            assert is_let_in(ALICE, said, scope)

    def test_to_name_an_agent_does_not_open_what_is_a_users(self) -> None:
        """Attack: `kind` upgraded from user to agent or skill."""
        for said in (AS_AGENT, AS_SKILL, AS_ENTITY):
            assert not is_let_in(BOB, said, USERS_OWN)
            assert not is_let_in(BOB, {**said, "id": "alice"}, USERS_OWN)


class TestKeys:
    """Runs with a key do not say for which user they are: ids are enough."""

    @pytest.mark.parametrize("caller", [KEY_HOLDER, KEY_HOLDER_FOR_BOB])
    @pytest.mark.parametrize("scope", [USERS_OWN, AGENTS, SKILLS, ENTITYS])
    def test_who_has_the_ids_is_let_in(self, caller: Caller, scope: Scope) -> None:
        assert is_let_in(caller, NOTHING_SAID, scope)
        assert is_let_in(caller, {"entity_id": "whatever"}, scope)

    @pytest.mark.parametrize(
        ("said", "scope"),
        [
            (AS_USER, USERS_OWN),
            (AS_AGENT, AGENTS),
            (AS_SKILL, SKILLS),
            (AS_AGENT, ENTITYS),
            (AS_SKILL, ENTITYS),
            (AS_USER, ENTITYS),
            ({"kind": "agent"}, AGENTS),
        ],
    )
    def test_a_scope_that_is_named_and_fits(self, said: dict[str, Any], scope: Scope) -> None:
        assert is_let_in(KEY_HOLDER, said, scope)

    @pytest.mark.parametrize(
        ("said", "scope"),
        [
            (AS_AGENT, USERS_OWN),
            (AS_SKILL, USERS_OWN),
            (AS_USER, AGENTS),
            (AS_USER, SKILLS),
            (AS_AGENT, SKILLS),
            (AS_SKILL, AGENTS),
            ({"kind": "agent", "id": "y"}, AGENTS),
            ({"kind": "agent", "id": "y"}, ENTITYS),
            ({"kind": "skill", "id": "x", "version": 3}, SKILLS),
            ({"kind": "agent", "id": "y", "entity_id": "x"}, ENTITYS),
            ({"kind": "agent"}, SKILLS),
        ],
    )
    def test_a_scope_that_is_named_must_fit(self, said: dict[str, Any], scope: Scope) -> None:
        assert not is_let_in(KEY_HOLDER, said, scope)

    def test_how_a_key_without_a_user_is_recorded(
        self, client: Client, service: Service
    ) -> None:
        answer = client.post("/upload", files={"file": ("a", b"")}).json()

        record = anyio.run(service.sessions.load, TENANT, answer["session_id"])

        assert record.user.startswith(NAMELESS)


class TestReading:
    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"kind": "root"}, "kind must be one of: skill, agent, user"),
            ({"kind": "Agent", "id": "a"}, "kind must be one of: skill, agent, user"),
            ({"kind": "agent"}, "id is required for kind: 'agent'"),
            ({"kind": "skill"}, "id is required for kind: 'skill'"),
            ({"kind": "skill", "id": "s"}, "version is required for kind: 'skill'"),
            (
                {"kind": "skill", "id": "s", "version": "1.5"},
                "version must be a number for kind: 'skill'",
            ),
            (
                {"kind": "agent", "id": "a", "version": "x"},
                "version is only valid for kind: 'skill'",
            ),
            ({"kind": "user", "version": "1"}, "version is only valid for kind: 'skill'"),
            ({"version": "1"}, "version is only valid for kind: 'skill'"),
            ({"kind": "agent", "id": "../x"}, "id is invalid"),
            ({"kind": "agent", "id": "a" * 129}, "id is invalid"),
            ({"entity_id": "a b"}, "entity_id is invalid"),
        ],
    )
    def test_what_contradicts_itself_is_refused_in_the_contracts_words(
        self, fields: dict[str, str | None], error: str
    ) -> None:
        with pytest.raises(ApiError) as raised:
            read_scope(fields)

        assert raised.value.answer.error == error
        assert raised.value.answer.status == 400

    @pytest.mark.parametrize("kind", ["user", None])
    @pytest.mark.parametrize("given_id", ["../x", "a b", "a" * 129, "64b0"])
    def test_a_users_id_is_not_even_looked_at(self, kind: str | None, given_id: str) -> None:
        """The credentials have it."""
        assert read_scope({"kind": kind, "id": given_id}) == AskedScope(kind=kind)

    def test_what_is_empty_counts_as_absent(self) -> None:
        assert (
            read_scope({"kind": "", "id": "", "version": "", "entity_id": ""}) == AskedScope()
        )


ROUTES = [
    ("GET", "/files/{session}"),
    ("GET", "/download/{session}/{file}"),
    ("HEAD", "/download/{session}/{file}"),
    ("GET", "/sessions/{session}/objects/{file}"),
    ("DELETE", "/files/{session}/{file}"),
    ("DELETE", "/sessions/{session}"),
]


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/"])
@pytest.mark.parametrize(("method", "route"), ROUTES)
class TestRoutes:
    def path(self, client: Client, prefix: str, route: str, **fields: str) -> str:
        answer = client.post("/upload", files={"file": ("a", b"")}, data=fields).json()
        session_id, file_id = answer["session_id"], answer["files"][0]["fileId"]
        return prefix + route.format(session=session_id, file=file_id)

    def test_who_names_the_right_scope_is_let_in(
        self, client: Client, prefix: str, method: str, route: str
    ) -> None:
        path = self.path(client, prefix, route, kind="skill", id="s1", version="2")

        answer = client.request(method, f"{path}?kind=skill&id=s1&version=2")

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "query", ["kind=skill&id=s1&version=3", "kind=agent&id=s1", "kind=user&id=s1"]
    )
    def test_who_names_another_is_forbidden_and_nothing_happens(
        self, client: Client, prefix: str, method: str, route: str, query: str
    ) -> None:
        path = self.path(client, prefix, route, kind="skill", id="s1", version="2")

        answer = client.request(method, f"{path}?{query}")

        assert answer.status_code == 403
        if method != "HEAD":
            assert answer.json()["error"] == "Unauthorized"
        assert client.request(method, path).status_code == 200

    def test_a_user_may_be_named_by_any_id(
        self, client: Client, prefix: str, method: str, route: str
    ) -> None:
        path = self.path(client, prefix, route, kind="user", id="somebody@example.org/x y")

        answer = client.request(method, f"{path}?kind=user&id=user%20one%2F2")

        assert answer.status_code == 200

    def test_old_uploads_for_an_entity_are_found_by_every_generation(
        self, client: Client, prefix: str, method: str, route: str
    ) -> None:
        queries = ("entity_id=e1", "kind=agent&id=e1", "kind=skill&id=e1&version=1", "")
        for query in queries:
            path = self.path(client, prefix, route, entity_id="e1")
            assert client.request(method, f"{path}?{query}").status_code == 200, query

    def test_a_bad_scope_is_refused_even_where_there_is_no_session(
        self, client: Client, prefix: str, method: str, route: str
    ) -> None:
        path = prefix + route.format(session=UNKNOWN_ID, file=UNKNOWN_ID)

        answer = client.request(method, f"{path}?kind=agent")

        assert answer.status_code == 400

    def test_bad_ids_come_before_a_bad_scope(
        self, client: Client, prefix: str, method: str, route: str
    ) -> None:
        path = prefix + route.format(session="short", file="short")

        answer = client.request(method, f"{path}?kind=root")

        assert answer.status_code == 400
        if method != "HEAD":
            assert answer.json()["error"] == "Bad request"

    def test_an_unknown_session_is_not_found_whatever_is_said(
        self, client: Client, stranger: Client, prefix: str, method: str, route: str
    ) -> None:
        """Never 403: the newest client would believe the file alive for ever (trap 19)."""
        unknown = prefix + route.format(session=UNKNOWN_ID, file=UNKNOWN_ID)
        foreign = self.path(client, prefix, route, kind="agent", id="a1")

        for query in ("", "?kind=user", "?kind=agent&id=a1", "?entity_id=a1"):
            assert client.request(method, unknown + query).status_code == 404
            assert stranger.request(method, foreign + query).status_code == 404
