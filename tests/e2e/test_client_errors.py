"""What a client makes of refusals is what it tells its model (librechat-contract 9.5).

The ToolNode is asked, not the tool alone: its words are those that the model reads.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.tokens import OTHER_ED25519, USER, token
from tests.e2e.client import (
    FIRST_WITH_TOKENS,
    GENERATIONS,
    NEWEST,
    OLDEST,
    Client,
    Generation,
    running_client,
)
from tests.e2e.signed import KID, credential, settings_for_tokens
from tests.live.running_service import TENANTS, RunningService, eventually, running_service
from tests.live.running_service_altered import broker_url, lone_api
from tests.live.running_service_caller import Caller

pytestmark = [
    pytest.mark.docker,
    # Begun first and looked at last: until a run is refused, executors may be away for 10 s.
    pytest.mark.usefixtures("deserted"),
]

REJECTED = "The code execution request was rejected."
UNAUTHORIZED = "Code execution is not authorized."
UNAVAILABLE = "Code execution is temporarily unavailable. Please retry."

SENTENCES = {
    400: REJECTED,
    401: UNAUTHORIZED,
    403: UNAUTHORIZED,
    409: "Code execution is not supported by the selected environment.",
    413: UNAVAILABLE,
    422: REJECTED,
    429: "Code execution is temporarily rate-limited. Retry after ",
    503: UNAVAILABLE,
}
"""How a model is told of a status since 3.6."""

HELLO = "print('hello')"
TOO_LONG = "#" * (4 * 1024 * 1024 + 1)
NOBODYS_DATABASE = 7
"""Of the broker: no executor looks there for runs, or is to be seen there."""

with_files = pytest.mark.parametrize("client", GENERATIONS[1:], ids=str, indirect=True)
"""Before 3.0.50 a client asked for the files of a session, and named none of its own."""

with_kinds = pytest.mark.parametrize("client", GENERATIONS[3:], ids=str, indirect=True)

three_generations = pytest.mark.parametrize(
    "generation", [OLDEST, FIRST_WITH_TOKENS, NEWEST], ids=str
)
"""Each with another way to tell of an error."""


def told(generation: Generation, status: int, error: str) -> str:
    """Return how a generation begins to tell its model of an answer."""
    version = tuple(map(int, generation.version.split(".")))
    if version >= (3, 6):
        return SENTENCES[status]
    if version >= (3, 1, 86):
        return f'returned {status}, body: {{"error":{json.dumps(error)}'
    return f"HTTP error! status: {status}"


def turn_with(client: Client, conversation: str, **file: Any) -> str:
    """Have a program run with one file; return what the model is shown."""
    known = {"id": "A" * 21, "storage_session_id": "A" * 21, "name": "a.txt", "kind": "user"}
    reference = {"resource_id": USER, **known, **file}
    reference["session_id"] = reference["storage_session_id"]
    seed = {"session_id": reference["session_id"], "files": [reference]}
    return client.turn(conversation, HELLO, seed=seed)["content"]


@with_files
def test_a_name_that_is_none_is_a_rejected_request(client: Client) -> None:
    error = "files[].name must not contain empty, current, or parent path segments"

    shown = turn_with(client, "400", name="../x")

    assert told(client.generation, 400, error) in shown


@pytest.mark.parametrize("generation", [*GENERATIONS[:4], NEWEST], ids=str)
def test_what_opens_nothing_is_told_as_that(
    service: RunningService, generation: Generation
) -> None:
    def forged() -> str:
        return token(OTHER_ED25519, kid=KID, tenant_id=TENANTS[0])

    wrong: str | Callable[[], str] = forged if generation.auth == "token" else "w" * 40
    with running_client(generation, service.address, wrong) as client:
        shown = client.turn("401", HELLO)["content"]

    error = "Invalid bearer token" if generation.auth == "token" else "Invalid API key"
    assert told(generation, 401, error) in shown


@with_kinds
def test_another_skills_file_is_nothing_that_it_may_have(
    client: Client, caller: Caller
) -> None:
    file = caller.upload("a.txt", b"x", kind="skill", id="skill_1", version="1")
    theirs = {"id": file.id, "storage_session_id": file.session_id, "kind": "skill"}

    shown = turn_with(client, "403", **theirs, resource_id="skill_2", version=1)

    assert told(client.generation, 403, "Unauthorized file reference") in shown


@pytest.mark.parametrize("generation", GENERATIONS[5:], ids=str)
def test_another_profile_is_told_as_nothing_to_retry(
    service: RunningService, generation: Generation
) -> None:
    with running_client(
        generation,
        service.address,
        credential(generation, service),
        executionProfile="stateful",
    ) as client:
        shown = client.turn("409", HELLO)["content"]

    expected = SENTENCES[409] if generation is NEWEST else UNAVAILABLE
    assert expected in shown


def test_a_program_that_is_too_large_is_told_as_that(client: Client) -> None:
    shown = client.turn("413", TOO_LONG)["content"]

    assert told(client.generation, 413, "code is too large") in shown


@with_files
def test_a_file_that_is_gone_is_told_as_that(client: Client) -> None:
    shown = turn_with(client, "422")

    assert told(client.generation, 422, "session_input_unavailable") in shown


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that lets one run through in half a minute."""
    folder = tmp_path_factory.mktemp("limited")
    settings = {"RATE_LIMIT_EXEC": "1/30s", "SANDBOX_POOL_SIZE": "1"}
    settings |= settings_for_tokens(folder / "keys")
    with running_service(folder / "work", settings) as service:
        yield service


@three_generations
def test_over_the_limit_the_model_is_told_and_since_3_1_86_when_to_try_again(
    limited: RunningService, generation: Generation
) -> None:
    """Trap 52 of librechat-contract 8: a sentence in `error` would lose the seconds."""

    def own_token() -> str:
        return token(kid=KID, tenant_id=TENANTS[0], sub=f"user-of-{generation}")

    by_key = generation.auth != "token"
    who = limited.keys[TENANTS[0]] if by_key else own_token
    with running_client(generation, limited.address, who) as client:
        assert "hello" in client.turn("429", HELLO)["content"]
        began_at = time.monotonic()
        shown = client.turn("429", HELLO)["content"]

    assert told(generation, 429, "rate_limited") in shown
    assert time.monotonic() - began_at < 5, "it was told at once"
    if not by_key:
        found = re.search(r'Retry after (\d+) second|"retry_after_seconds":(\d+)', shown)
        assert found is not None
        assert 1 <= int(found[1] or found[2]) <= 30


@pytest.fixture(scope="module")
def deserted(service: RunningService) -> Iterator[httpx.Client]:
    """An API that no executor works for, and that waits for none longer than it must."""
    settings = {
        "BROKER_URL": broker_url(service, database=NOBODYS_DATABASE),
        "CODE_EXEC_TIMEOUT": "1",
        "QUEUE_TIMEOUT": "1",
    }
    with lone_api(service, settings) as api:
        api.headers["X-API-Key"] = service.keys[TENANTS[0]]
        yield api


@three_generations
def test_a_service_without_executors_is_told_as_unavailable(
    service: RunningService, deserted: httpx.Client, generation: Generation
) -> None:
    program = {"lang": "py", "code": HELLO}
    eventually(
        lambda: deserted.post("/exec", json=program, timeout=30).status_code == 503,
        "no executor is expected any more",
    )
    address = str(deserted.base_url).rstrip("/")
    with running_client(generation, address, credential(generation, service)) as client:
        shown = client.turn("503", HELLO)["content"]

    assert told(generation, 503, "microvm_unhealthy") in shown
