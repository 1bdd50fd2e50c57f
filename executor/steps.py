"""What the steps of a run take, on this process's own clock."""

import time
from collections.abc import Callable
from typing import Literal

from executor.messages import LONGEST_STEP_MS, StepTimes
from telemetry.traces import past_span

Step = Literal["open", "claim", "prepare", "inputs", "run", "outputs", "record"]
"""Those of `StepTimes` that are an executor's."""

_SPANS: dict[Step, str] = {
    "open": "s3.open_inputs",
    "claim": "sandbox.claim",
    "prepare": "sandbox.prepare",
    "inputs": "sandbox.inputs",
    "run": "sandbox.run",
    "outputs": "sandbox.outputs",
    "record": "s3.record",
}
"""As they are called in traces."""


class Steps:
    """A stopwatch for one run: whatever happens belongs to the step that ends next.

    So steps never overlap, and their sum is the time that has passed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.begun_at = time.time()
        """Unix time, for those who were not there."""
        self._clock = clock
        self._last = clock()
        self._ms: dict[str, float] = {}

    def end(self, step: Step) -> None:
        """Note that `step` has ended just now. One that is done twice counts twice."""
        now = self._clock()
        took_ms = (now - self._last) * 1000
        self._ms[step] = self._ms.get(step, 0.0) + took_ms
        past_span(_SPANS[step], ended_at=time.time(), took_ms=took_ms)
        self._last = now

    def note_program(self, wall_time_ms: float) -> None:
        """Note what the program took by the sandbox's own account: a part of `run`."""
        self._ms["program"] = wall_time_ms

    @property
    def times(self) -> StepTimes:
        """What is known by now. A sandbox's account is a claim, and is cut to what fits."""
        return StepTimes(
            **{
                name: round(min(max(ms, 0.0), LONGEST_STEP_MS), 3)
                for name, ms in self._ms.items()
            }
        )
