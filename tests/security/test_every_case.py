"""Each case is tried, or listed with the reason why it cannot apply."""

import re
from pathlib import Path

import pytest

from tests.security.catalogue import CASES

pytestmark = pytest.mark.alone

NOT_APPLICABLE: dict[int, str] = {
    19: "there is no allow-list proxy: a sandbox has no network at all (cases 16 to 18)",
    51: "programmatic tool calling is not served: tests/traps holds that its route is a 404",
    52: "no state is restored from one run to the next: there is nothing to unpickle",
    66: "sandboxes get no device: case 28 holds that /dev has none",
}


def test_every_case_is_tried_or_listed_with_a_reason() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    tried = {int(number) for number in re.findall(r"mark\.case\((\d+)", text)}

    assert tried & NOT_APPLICABLE.keys() == set()
    assert tried | NOT_APPLICABLE.keys() == set(CASES)
