"""Addresses and connections that clients have, whatever they ask for."""

import pytest

from tests.e2e.client import GENERATIONS, NEWEST, OLDEST, Client, Generation, running_client
from tests.e2e.signed import credential
from tests.live.running_service import TENANTS, RunningService

pytestmark = pytest.mark.docker

HELLO = {"lang": "py", "code": "print('hello')"}

IDLE_S = 6.0
"""Longer than the 5 s after which many servers close a connection that Node has kept."""


@pytest.mark.parametrize("generation", GENERATIONS[2:], ids=str)
def test_a_key_in_the_address_is_as_good_as_a_token(
    service: RunningService, generation: Generation
) -> None:
    key = service.keys[TENANTS[0]]
    with running_client(generation, f"{service.address}/v1", key, auth="url") as client:
        assert "hello" in client.call(HELLO)["content"]


@pytest.mark.parametrize("generation", [OLDEST, NEWEST], ids=str)
def test_an_address_with_a_slash_at_its_end_is_as_good_as_any(
    service: RunningService, generation: Generation
) -> None:
    address = f"{service.address}/v1/"
    with running_client(generation, address, credential(generation, service)) as client:
        assert "hello" in client.call(HELLO)["content"]


def test_a_connection_that_was_idle_is_used_again(newest: Client) -> None:
    for _ in range(3):
        newest.call(HELLO)
    newest.node.ask("pause", milliseconds=IDLE_S * 1000)

    assert "hello" in newest.call(HELLO)["content"]
