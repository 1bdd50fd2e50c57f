"""Each case is tried, or listed with the reason why it cannot apply."""

import re
from pathlib import Path

import pytest

from tests.security.catalogue import CASES, NOT_APPLICABLE

pytestmark = pytest.mark.alone

FOLDERS = ("security", "faults")


def test_every_case_is_tried_or_listed_with_a_reason() -> None:
    tests = Path(__file__).parents[1]
    files = (file for folder in FOLDERS for file in (tests / folder).glob("test_*.py"))
    text = "".join(file.read_text() for file in files)
    tried = {int(number) for number in re.findall(r"mark\.case\((\d+)", text)}

    assert tried & NOT_APPLICABLE.keys() == set()
    assert tried | NOT_APPLICABLE.keys() == set(CASES)
