"""Runs the fuzzer on one target, and tells what came of it."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.config import CHECKOUT

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"
"""A folder for each target: where to begin, and what has failed once."""

MAX_INPUT_BYTES = 4096
"""Longer inputs are slower and find no more: every limit that is larger has a test."""

SLOW_S = 5
"""An input that takes longer is a finding."""

GRACE_S = 60
"""For starting, and for the last input."""

_DONE = re.compile(r"^stat::number_of_executed_units:\s+(\d+)$", re.MULTILINE)
_KEPT_AS = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzed:
    """What came of fuzzing one target."""

    inputs: int
    """How many were tried."""
    finding: Path | None
    """The input that failed."""
    said: str
    """Everything that the fuzzer printed: why it failed, too."""


def fuzz_target(name: str, *, seconds: int, seed: int, findings: Path) -> Fuzzed:
    """Fuzz one target, from its corpus on, until the time is up or something is found.

    Args:
        name: Of the target.
        seconds: How long, apart from its start.
        seed: Of the random numbers. With the same one, and as many inputs, it is the same run.
        findings: Folder for the input that failed.

    Raises:
        RuntimeError: The fuzzer itself did not work.
    """
    begin = CORPUS / name
    dictionary = FOLDER / f"{name}.dict"
    with TemporaryDirectory(prefix="code-command-fuzz-") as discovered:
        done = subprocess.run(
            (
                *(sys.executable, "-P", "-m", "tests.fuzz.engine", name),
                # New inputs go to the first folder.
                *(discovered, *([str(begin)] if begin.is_dir() else [])),
                *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_INPUT_BYTES}"),
                *(f"-timeout={SLOW_S}", f"-artifact_prefix={findings}/"),
                *([f"-dict={dictionary}"] if dictionary.exists() else []),
                "-print_final_stats=1",
            ),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + GRACE_S,
            check=False,
        )
    kept_as = _KEPT_AS.search(done.stdout)
    tried = _DONE.search(done.stdout)
    if tried is None or (done.returncode != 0) != (kept_as is not None):
        raise RuntimeError(f"the fuzzer failed with status {done.returncode}:\n{done.stdout}")
    return Fuzzed(
        inputs=int(tried[1]),
        finding=Path(kept_as[1]) if kept_as else None,
        said=done.stdout,
    )
