"""The tests in several lanes at once: most of those that need Docker wait most of the time.

One after the other they take half an hour on two cores, of which the cores are idle for most.
What fails amid the others is tried once more with the machine to itself, and that it was is
said: a test that measures time may fail because of its neighbours, a defect fails again.
"""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.local.config import CHECKOUT
from infra.local.console import Console

MOST_TRIED_AGAIN = 25
"""Failures of a lane. More are no accident of the load, and their repetition takes time."""

PATIENCE_S = (5.0, 60.0)
"""How long pytest may go on after a Ctrl-C before it is told again, and then before it is
killed."""

_LOOK_INTERVAL_S = 0.5
_PYTEST_SAYS_FAILED = 1
_PYTEST_INTERRUPTED = 2
_COUNT = re.compile(r"(\d+) (failed|passed|skipped|xfailed|xpassed|errors?)\b")
_PROGRESS = re.compile(rb"\[ *(\d+)%\]")
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Lane:
    """Tests that run one after the other, beside those of other lanes."""

    name: str
    selection: tuple[str, ...]
    """Pytest's arguments."""


_ATTACKS = ("tests/security", "tests/faults")
_ENGINES = ("tests/contracts", "tests/e2e", "tests/sandbox", "tests/traps")


def _all_but(*folders: str) -> tuple[str, ...]:
    return tuple(f"--ignore={folder}" for folder in folders)


LANES = (
    Lane("without Docker", ("-m", "not docker")),
    Lane("attacks and faults", ("-m", "docker", *_ATTACKS)),
    Lane("service and hosts", ("-m", "docker", *_all_but(*_ATTACKS, *_ENGINES))),
    Lane("engines and clients", ("-m", "docker", *_ENGINES)),
)
"""Together each test once: tests/infra/test_lanes.py. The last waits for one to end."""
MOST_AT_ONCE = 3
"""On two cores. With a fourth, tests that measure time failed for their neighbours."""


class _Running:
    """A lane's pytest, which writes into a file."""

    def __init__(
        self, lane: Lane, folder: Path, environment: Mapping[str, str], checkout: Path
    ) -> None:
        self.lane = lane
        self.process: subprocess.Popen[bytes] | None = None
        self._checkout = checkout
        folder.mkdir(parents=True)
        self._log = folder / "log"
        self._command = (
            *(sys.executable, "-P", "-m", "pytest", *lane.selection),
            *("-o", f"cache_dir={folder / 'cache'}"),
        )
        self._environment = {**environment, "CODE_WORK_DIR": str(folder / "work")}

    def start(self) -> None:
        """Begin."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._checkout,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def code(self) -> int:
        """Pytest's exit code, once it has ended."""
        return _PYTEST_INTERRUPTED if self.process is None else self.process.returncode

    @property
    def progress(self) -> str:
        """How far it is, as pytest says it."""
        if self.process is None:
            return "waits"
        if not self.is_running:
            return "done"
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            said = _PROGRESS.findall(log.read())
        return f"{said[-1].decode()} %" if said else "begun"

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace").rstrip("\n")

    @property
    def counts(self) -> Counter[str]:
        """By outcome, from the last line."""
        return outcomes(self.output.rpartition("\n")[2])

    def try_failures_again(self) -> int:
        """Run those that failed once more, onto the terminal; return pytest's exit code."""
        again = (*self._command, "--last-failed", "--last-failed-no-failures=none")
        return run_patiently(again, self._environment, self._checkout)


def outcomes(summary: str) -> Counter[str]:
    """Return how many tests came out how, from pytest's last line."""
    return Counter(
        {name.removesuffix("s"): int(count) for count, name in _COUNT.findall(summary)}
    )


class Lanes:
    """All lanes of one run. The first may begin while what the others need is set up.

    Args:
        console: Where progress and, lane by lane, pytest's output are shown.
        folder: For logs, caches and work; made here.
        environment: Pytest's, but for `CODE_WORK_DIR`, of which each lane has its own.
        checkout: Whose tests.
    """

    def __init__(
        self,
        console: Console,
        folder: Path,
        environment: Mapping[str, str],
        checkout: Path = CHECKOUT,
    ) -> None:
        self._console = console
        self._lanes = [
            _Running(lane, folder / str(n), environment, checkout)
            for n, lane in enumerate(LANES)
        ]

    def begin(self) -> None:
        """Start the lane that needs no Docker."""
        self._lanes[0].start()

    @property
    def running(self) -> list[str]:
        """The names of the lanes that run now."""
        return [lane.lane.name for lane in self._lanes if lane.is_running]

    def run(self) -> int:
        """Run all lanes, then what failed once more. A line for the whole is printed last.

        Returns:
            0 if every test passed, at the second attempt at last; else pytest's code.
        """
        console = self._console
        began_at = time.monotonic()
        self._await_all()
        for lane in self._lanes:
            console.say(f"tests, {lane.lane.name}:")
            console.plain(lane.output)
        codes = [_final_code(lane, console) for lane in self._lanes]
        total = sum((lane.counts for lane in self._lanes), Counter[str]())
        shown = ", ".join(f"{count} {name}" for name, count in sorted(total.items()))
        minutes, seconds = divmod(round(time.monotonic() - began_at), 60)
        code = next((code for code in codes if code != 0), 0)
        if code == 0 and total["failed"] + total["error"] > 0:
            shown += "; what failed has passed alone"
        console.plain(f"==== {len(self._lanes)} lanes: {shown} in {minutes}:{seconds:02} ====")
        return code

    def _await_all(self) -> None:
        while True:
            at_once = len(self.running)
            waiting = [lane for lane in self._lanes if lane.process is None]
            if not waiting and at_once == 0:
                return
            for lane in waiting[: MOST_AT_ONCE - at_once]:
                lane.start()
            progress = ", ".join(f"{lane.lane.name} {lane.progress}" for lane in self._lanes)
            self._console.status(f"tests: {progress}")
            time.sleep(_LOOK_INTERVAL_S)

    def end(self) -> None:
        """End those that run, patiently: each takes down what its fixtures have started.

        A terminal has told each pytest of a Ctrl-C as well; who told us alone, told only us.
        """
        for lane in self._lanes:
            if lane.process is not None:
                end_patiently(lane.process)


def _final_code(lane: _Running, console: Console) -> int:
    code = lane.code
    failures = lane.counts["failed"] + lane.counts["error"]
    if code != _PYTEST_SAYS_FAILED or failures > MOST_TRIED_AGAIN:
        return code
    console.say(f"tests, {lane.lane.name}: {failures} failed beside others; now alone:")
    return lane.try_failures_again()


def run_patiently(
    command: Sequence[str], environment: Mapping[str, str], checkout: Path = CHECKOUT
) -> int:
    """Run pytest; after a Ctrl-C let it take down what its fixtures have started."""
    with subprocess.Popen(command, cwd=checkout, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            end_patiently(process)
            raise


def end_patiently(process: subprocess.Popen[bytes]) -> None:
    """Await the end of a pytest that was interrupted; say so again; kill it at last."""
    for patience_s in PATIENCE_S:
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
        process.send_signal(signal.SIGINT)
    process.kill()
    process.wait()
