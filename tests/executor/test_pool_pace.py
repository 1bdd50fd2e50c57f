"""How much the pool does at once, on machines of any size."""

import pytest

from executor.pool_pace import MOST_CREATIONS, pace_of


@pytest.mark.parametrize("processors", [1, 2, 3, 4, 8, 64, 256])
def test_there_is_always_some_of_everything_and_never_too_much(processors: int) -> None:
    pace = pace_of(processors)

    assert 1 <= pace.removals <= pace.creations <= MOST_CREATIONS
    assert pace.put_off + pace.creations < pace.backlog <= 50
    assert pace.preloads >= 1


def test_on_two_processors_it_is_what_was_measured() -> None:
    assert pace_of(2)[:2] == (2, 2)
