"""Every kept input, on every change: where the fuzzer begins, and what has failed once."""

from pathlib import Path

import pytest

from tests.fuzz.running import CORPUS
from tests.fuzz.targets import TARGETS

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
MAX_CORPUS_BYTES = 50_000


@pytest.mark.parametrize(
    "path", INPUTS, ids=[path.relative_to(CORPUS).as_posix() for path in INPUTS]
)
def test_a_kept_input_does_not_fail(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_inputs_to_begin_with(target: str) -> None:
    assert [path for path in INPUTS if path.parent.name == target]


def test_what_is_kept_stays_small() -> None:
    assert sum(path.stat().st_size for path in INPUTS) < MAX_CORPUS_BYTES
