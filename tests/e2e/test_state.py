"""The clients that know the stateful profile keep their workspace (librechat-contract 3.8)."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import GENERATIONS, Generation, running_client
from tests.e2e.signed import credential, settings_for_tokens
from tests.live.running_service import RunningService, running_service

pytestmark = pytest.mark.docker

HINT = "v2:user:0123456789abcdef0123456789abcdef"
WITH_PROFILES = GENERATIONS[5:]


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("stateful")
    settings = settings_for_tokens(folder / "keys") | {"EXECUTION_PROFILE": "both"}
    with running_service(folder / "work", settings) as service:
        yield service


@pytest.mark.parametrize("generation", WITH_PROFILES, ids=str)
def test_what_one_conversation_leaves_another_of_the_same_user_finds(
    stateful: RunningService, generation: Generation
) -> None:
    hint = f"{HINT}:{generation.version}"

    def shown(profile: str, conversation: str, code: str) -> str:
        with running_client(
            generation,
            f"{stateful.address}/v1",
            credential(generation, stateful),
            executionProfile=profile,
            runtimeSessionHint=hint,
            statefulSessions=True,
        ) as client:
            return client.turn(conversation, code)["content"]

    shown("stateful", "first", "open('kept.txt', 'w').write('of the first')")

    assert "of the first" in shown("stateful", "second", "print(open('kept.txt').read())")
    assert "FileNotFoundError" in shown("default", "third", "print(open('kept.txt').read())")
