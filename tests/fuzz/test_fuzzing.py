"""A short run of the fuzzer on every target; `./code-command fuzz` makes a long one."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.local.console import Console
from infra.local.errors import BadSettingError
from tests.fuzz.command import fuzz
from tests.fuzz.running import fuzz_target
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris has no wheel for this kind of machine"
)

SECONDS = 3
SEED = 1
LEAST_INPUTS = 1_000
"""A hundredth of what is usual: fewer, and the fuzzer does hardly anything."""

PATIENCE_S = 60


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_fails(target: str, tmp_path: Path) -> None:
    fuzzed = fuzz_target(target, seconds=SECONDS, seed=SEED, findings=tmp_path)

    assert fuzzed.finding is None, fuzzed.said
    assert fuzzed.inputs > LEAST_INPUTS


def test_a_fault_that_chance_would_not_meet_is_found(tmp_path: Path) -> None:
    fuzzed = fuzz_target("planted", seconds=PATIENCE_S, seed=SEED, findings=tmp_path)

    assert fuzzed.finding is not None
    assert fuzzed.finding.read_bytes()
    assert "the planted fault" in fuzzed.said


def test_a_target_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadSettingError, match=r"no target nonsense: frames, claims"):
        fuzz(Console(quiet=True), "nonsense", seconds=1)
