"""Case 48: another tenant's ids, at every route that takes some."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = [pytest.mark.docker, pytest.mark.case(48)]

SECRET = b"only the victim's"
NOBODYS = StoredFile("U" * 21, "u" * 21, "secret.txt")

CLAIMS: dict[str, dict[str, str]] = {
    "nothing": {},
    "the user": {"kind": "user", "id": "key:second"},
    "the agent": {"kind": "agent", "id": "agent_1"},
    "the skill": {"kind": "skill", "id": "skill_1", "version": "1"},
    "the entity": {"entity_id": "agent_1"},
    "all details": {"detail": "full", "kind": "user"},
}
"""Whose a caller may say that a session is: the victim's files are of these kinds."""

OWN_ROUTES = {
    "/exec",
    "/exec/programmatic",
    "/exec/programmatic/cancel",
    "/upload",
    "/upload/batch",
    "/health",
}
"""Those without ids in their paths. Of programs that wait for tools, case 51 takes care; the
files that a run is given are in its body."""

ANSWERS_TIMED = 30
MOST_TIMES_SLOWER = 4


class Route(NamedTuple):
    """A method and a path with `{session_id}`, and `{file_id}` perhaps."""

    method: str
    path: str

    def ask(self, caller: Caller, file: StoredFile, claim: dict[str, str]) -> httpx.Response:
        path = self.path.format(session_id=file.session_id, file_id=file.id)
        return caller.http.request(self.method, path, params=claim)


@pytest.fixture(scope="module")
def routes(attacker: Caller) -> list[Route]:
    """Every one that the service says it has, so that a new one is attacked, too."""
    paths = attacker.http.get("/schema/openapi.json").json()["paths"]
    assert set(paths) >= OWN_ROUTES
    found = [
        Route(method.upper(), path)
        for path, methods in paths.items()
        if path not in OWN_ROUTES
        for method in methods
    ]
    assert all("{session_id}" in route.path for route in found), "ids that nobody attacks yet"
    return found


@pytest.fixture(scope="module")
def treasures(victim: Caller) -> Iterator[list[StoredFile]]:
    """The victim's files: a run's, an upload's, an agent's, a skill's; all there afterwards."""
    made = victim.run(f"open('secret.txt', 'wb').write({SECRET!r})")
    files = [
        stored_files(made)["secret.txt"],
        victim.upload("secret.txt", SECRET),
        victim.upload("secret.txt", SECRET, kind="agent", id="agent_1"),
        victim.upload("secret.txt", SECRET, kind="skill", id="skill_1", version="1"),
        victim.upload("secret.txt", SECRET, entity_id="agent_1"),
    ]
    yield files
    for file in files:
        assert victim.download(file) == SECRET


def outcome(answer: httpx.Response, file: StoredFile) -> Any:
    """Return all that tells one answer from another, but for the ids that were asked about."""
    text = answer.text.replace(file.session_id, "S").replace(file.id, "F")
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    assert SECRET not in answer.content
    return answer.status_code, text, headers


def test_anothers_files_are_answered_as_those_that_nobody_has(
    attacker: Caller, routes: list[Route], treasures: list[StoredFile]
) -> None:
    assert len(routes) >= 6
    for route in routes:
        for claimed, claim in CLAIMS.items():
            nothing = outcome(route.ask(attacker, NOBODYS, claim), NOBODYS)
            assert nothing[0] == 404
            for file in treasures:
                found = outcome(route.ask(attacker, file, claim), file)
                assert found == nothing, (route, claimed)


def test_one_id_of_ones_own_does_not_open_the_other(
    attacker: Caller, routes: list[Route], treasures: list[StoredFile]
) -> None:
    own = attacker.upload("own.txt", b"own")
    for route in routes:
        if "{file_id}" not in route.path:
            continue
        for claim in CLAIMS.values():
            nothing = outcome(route.ask(attacker, NOBODYS, claim), NOBODYS)
            nobodys = StoredFile(own.session_id, NOBODYS.id, own.name)
            missing = outcome(route.ask(attacker, nobodys, claim), nobodys)
            assert missing[0] in {403, 404}, "the session is the attacker's, and may be known"
            for file in treasures:
                theirs = StoredFile(own.session_id, file.id, file.name)
                assert outcome(route.ask(attacker, theirs, claim), theirs) == missing
                ours = StoredFile(file.session_id, own.id, own.name)
                assert outcome(route.ask(attacker, ours, claim), ours) == nothing

    assert attacker.download(own) == b"own"


def test_a_run_cannot_be_given_anothers_files(
    attacker: Caller, treasures: list[StoredFile]
) -> None:
    own = attacker.upload("own.txt", b"own")

    def run(file: StoredFile, claim: dict[str, Any]) -> Any:
        body = {"lang": "bash", "code": "cat *", "files": [file.reference | claim]}
        return outcome(attacker.http.post("/exec", json=body), file)

    for claim in (
        {},
        {"kind": "user", "resource_id": "key:second"},
        {"kind": "agent", "resource_id": "agent_1"},
        {"kind": "skill", "resource_id": "skill_1", "version": 1},
        {"entity_id": "agent_1"},
    ):
        nothing = run(NOBODYS, claim)
        assert nothing[0] == 422
        for file in treasures:
            assert run(file, claim) == nothing
            assert run(StoredFile(file.session_id, own.id, own.name), claim) == nothing
            crossed = run(StoredFile(own.session_id, file.id, file.name), claim)
            assert crossed == run(StoredFile(own.session_id, NOBODYS.id, file.name), claim)
            assert crossed[0] in {403, 422}


def test_a_claim_opens_no_more_than_it_names(victim: Caller) -> None:
    """Within a tenant: to know of a session is not to know whose it is."""
    skill = victim.upload("skill.txt", b"1", kind="skill", id="skill_2", version="2")
    agent = victim.upload("agent.txt", b"1", kind="agent", id="agent_2")

    def status(file: StoredFile, **claim: str) -> int:
        return victim.http.get(file.path, params=claim).status_code

    assert status(skill, kind="skill", id="skill_2", version="2") == 200
    assert status(skill, kind="skill", id="skill_2", version="3") == 403
    assert status(skill, kind="skill", id="skill_1", version="2") == 403
    assert status(skill, kind="user") == 403
    assert status(agent, kind="agent", id="agent_2") == 200
    assert status(agent, kind="agent", id="agent_1") == 403
    assert status(agent, kind="skill", id="agent_2", version="2") == 403


def test_how_long_an_answer_takes_does_not_tell_what_exists(
    attacker: Caller, treasures: list[StoredFile]
) -> None:
    def fastest_s(file: StoredFile) -> float:
        took_s: list[float] = []
        for _ in range(ANSWERS_TIMED):
            began_at = time.perf_counter()
            assert attacker.http.get(file.path).status_code == 404
            took_s.append(time.perf_counter() - began_at)
        return min(took_s)

    anothers, nobodys = fastest_s(treasures[0]), fastest_s(NOBODYS)

    assert max(anothers, nobodys) < MOST_TIMES_SLOWER * min(anothers, nobodys)
