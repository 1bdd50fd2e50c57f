"""Each trap of librechat-contract 8 has its own tests, called `test_trap_` and its number."""

import re
from pathlib import Path

TRAPS = range(1, 53)


def test_every_trap_has_a_test_and_no_test_has_two_traps() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_traps_*.py"))
    named = re.findall(r"^def test_traps?_([\d_]+)_", text, re.MULTILINE)

    assert all(len(number) == 2 for number in named), "one number each"
    assert set(map(int, named)) == set(TRAPS)
