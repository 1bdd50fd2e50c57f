"""What a client makes of refusals is what it tells its model (librechat-contract 9.5)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.client import (
    GENERATIONS,
    NEWEST,
    Client,
    ClientError,
    Generation,
    running_client,
)
from tests.live.running_service import TENANTS, RunningService, running_service

pytestmark = pytest.mark.docker

HELLO = {"lang": "py", "code": "print('hello')"}

IDLE_S = 6.0
"""Longer than the 5 s after which many servers close a connection that Node has kept."""


@pytest.mark.parametrize(
    ("generation", "text"),
    [
        (GENERATIONS[0], "HTTP error! status: 401"),
        (GENERATIONS[2], "HTTP error! status: 401"),
        (GENERATIONS[3], "Invalid API key"),
        (NEWEST, "Code execution is not authorized."),
    ],
    ids=str,
)
def test_a_wrong_key_is_told_as_that(
    service: RunningService, generation: Generation, text: str
) -> None:
    with (
        running_client(generation, service.address, "w" * 40) as client,
        pytest.raises(ClientError, match=text.replace("!", "\\!")),
    ):
        client.call(HELLO)


def test_another_profile_is_told_as_nothing_to_retry(service: RunningService) -> None:
    key = service.keys[TENANTS[0]]
    with (
        running_client(NEWEST, service.address, key, executionProfile="stateful") as client,
        pytest.raises(ClientError, match="not supported by the selected environment"),
    ):
        client.call(HELLO)


def test_a_key_in_the_address_is_as_good_as_any(service: RunningService) -> None:
    key = service.keys[TENANTS[0]]
    with running_client(NEWEST, f"{service.address}/v1", key, auth="url") as client:
        assert "hello" in client.call(HELLO)["content"]


@pytest.mark.parametrize("generation", [GENERATIONS[0], NEWEST], ids=str)
def test_an_address_with_a_slash_at_its_end_is_as_good_as_any(
    service: RunningService, generation: Generation
) -> None:
    with running_client(
        generation, f"{service.address}/v1/", service.keys[TENANTS[0]]
    ) as client:
        assert "hello" in client.call(HELLO)["content"]


def test_a_connection_that_was_idle_is_used_again(newest: Client) -> None:
    for _ in range(3):
        newest.call(HELLO)
    newest.node.ask("pause", milliseconds=IDLE_S * 1000)

    assert "hello" in newest.call(HELLO)["content"]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that lets one run through in half a minute."""
    folder: Path = tmp_path_factory.mktemp("limited")
    settings = {"RATE_LIMIT_EXEC": "1/30s", "SANDBOX_POOL_SIZE": "1"}
    with running_service(folder / "work", settings) as service:
        yield service


def test_over_the_limit_the_model_is_told_when_to_try_again(limited: RunningService) -> None:
    """Trap 52 of librechat-contract 8: a sentence in `error` would lose the seconds."""
    with running_client(NEWEST, limited.address, limited.keys[TENANTS[0]]) as client:
        client.call(HELLO)
        began_at = time.monotonic()
        with pytest.raises(ClientError) as told:
            client.call(HELLO)

    words = str(told.value).partition("rate-limited. Retry after ")[2].split()
    assert words[1].startswith("second")
    assert 1 <= int(words[0]) <= 30
    assert time.monotonic() - began_at < 5, "it was told at once"
