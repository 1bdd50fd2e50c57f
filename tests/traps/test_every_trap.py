"""Each trap of librechat-contract 8 has its own tests, called `test_trap_` and its number."""

import re
from pathlib import Path

import pytest

from tests.live.running_service_caller import Caller

TRAPS = range(1, 53)

NOT_SERVED = {29, 30, 31, 32, 33, 34, 35, 36, 50}
"""They are about programmatic tool calling alone."""


def test_every_trap_has_a_test_and_no_test_has_two_traps() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_traps_*.py"))
    named = re.findall(r"^def test_traps?_([\d_]+)_", text, re.MULTILINE)

    assert all(len(number) == 2 for number in named), "one number each"
    assert set(map(int, named)) == set(TRAPS) - NOT_SERVED


@pytest.mark.docker
def test_what_is_not_served_is_not_pretended(caller: Caller) -> None:
    answer = caller.http.post("/exec/programmatic", json={"code": "1", "tools": []})

    assert NOT_SERVED
    assert (answer.status_code, answer.json()["error"]) == (404, "Not found")
