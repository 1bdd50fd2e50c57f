"""Users of a LibreChat that signs tokens: what each uploads and makes is that user's alone.

LibreChat's file code and its client send what they send since 3.1.86: a bearer token, and the
profile that they expect (librechat-contract 5.1, 5.4 and 7.1).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.client import (
    FIRST_WITH_TOKENS,
    NEWEST,
    Client,
    Generation,
    NodeProcess,
    running_client,
)
from tests.e2e.librechat import LibreChat
from tests.e2e.signed import SOMEBODY_ELSE, signed
from tests.live.running_service import RunningService

pytestmark = pytest.mark.docker

UNAUTHORIZED = {"3.1.86": "Unauthorized file reference", "3.9.2": "not authorized"}
"""How the generations tell their models of a 403."""

generations = pytest.mark.parametrize(
    "client", [FIRST_WITH_TOKENS, NEWEST], ids=str, indirect=True
)
forms = pytest.mark.parametrize("is_new", [False, True], ids=["old-form", "new-form"])


def options_of(generation: Generation) -> dict[str, str]:
    """What LibreChat says of the service; before 3.6 its client could not pass it on."""
    return {"executionProfile": "default"} if generation is NEWEST else {}


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest, service: RunningService) -> Iterator[Client]:
    address, options = f"{service.address}/v1", options_of(request.param)
    with running_client(request.param, address, signed, **options) as client:
        yield client


@pytest.fixture
def user(librechat: NodeProcess, service: RunningService) -> LibreChat:
    return LibreChat(librechat, service, "token")


@pytest.fixture
def stranger(librechat: NodeProcess, service: RunningService) -> LibreChat:
    """Another user of the same tenant."""
    return LibreChat(librechat, service, "token", user=SOMEBODY_ELSE)


def upload(user: LibreChat, text: str, *, is_new: bool) -> dict[str, Any]:
    """Upload a user's `data.csv`; return how a run is told of it."""
    fields = (("kind", "user"), ("id", user.user)) if is_new else ()
    body = user.upload({"data.csv": text}, *fields)
    return {
        "id": body["files"][0]["fileId"],
        "storage_session_id": body["storage_session_id"],
        "resource_id": user.user,
        "name": "data.csv",
        "kind": "user",
    }


def seed(*references: dict[str, Any]) -> dict[str, Any]:
    """How LibreChat primes a conversation."""
    return {"session_id": references[0]["storage_session_id"], "files": list(references)}


def paths(answer: Any) -> dict[str, str]:
    """Where LibreChat downloads what a turn has made: under the run's session."""
    artifact = answer["artifact"]
    return {
        file["name"]: f"download/{artifact['session_id']}/{file['id']}"
        for file in artifact["files"]
        if not file.get("inherited")
    }


@generations
@forms
def test_a_file_lasts_three_turns_and_what_comes_of_it_is_downloaded_by_its_user(
    user: LibreChat, stranger: LibreChat, client: Client, *, is_new: bool
) -> None:
    talk = f"three turns {is_new}"
    reference = upload(user, "1,2\n", is_new=is_new)
    read = "print(open('data.csv').read())"

    first = client.turn(talk, read, seed=seed(reference))
    change = "open('data.csv', 'a').write('3,4\\n'); open('sum.txt', 'w').write('10')"
    second = client.turn(talk, change)
    third = client.turn(talk, f"{read}; print('the sum is', open('sum.txt').read())")

    assert "1,2" in first["content"]
    assert "1,2\n3,4\n" in third["content"]
    assert "the sum is 10" in third["content"]
    made = paths(second)
    found = {name: user.ask(f"{path}?{user.scope}")["text"] for name, path in made.items()}
    assert found == {"data.csv": "1,2\n3,4\n", "sum.txt": "10"}
    for path in made.values():
        for scope in (stranger.scope, user.scope):
            assert stranger.ask(f"{path}?{scope}")["status"] == 403, "whomever he says he is"


@forms
def test_another_user_of_the_tenant_reaches_nothing_by_any_route(
    user: LibreChat, stranger: LibreChat, *, is_new: bool
) -> None:
    reference = upload(user, "1,2\n", is_new=is_new)
    session, file = reference["storage_session_id"], reference["id"]
    scope = stranger.scope

    for path in (
        f"download/{session}/{file}",
        f"sessions/{session}/objects/{file}",
        f"files/{session}",
    ):
        assert stranger.ask(f"{path}?{scope}")["status"] == 403
        assert user.ask(f"{path}?{user.scope}")["status"] == 200
    for path in (f"files/{session}/{file}", f"sessions/{session}"):
        assert stranger.ask(f"{path}?{scope}", method="DELETE")["status"] == 403
    assert user.ask(f"download/{session}/{file}?{user.scope}")["text"] == "1,2\n"


@pytest.mark.parametrize("generation", [FIRST_WITH_TOKENS, NEWEST], ids=str)
def test_another_user_cannot_have_the_file_brought_into_a_run(
    service: RunningService, user: LibreChat, generation: Generation
) -> None:
    reference = upload(user, "a secret", is_new=True)
    with running_client(generation, service.address, lambda: signed(SOMEBODY_ELSE)) as client:
        answer = client.turn("theirs", "print(open('data.csv').read())", seed=seed(reference))

    assert UNAUTHORIZED[generation.version] in answer["content"]
    assert "a secret" not in answer["content"]
