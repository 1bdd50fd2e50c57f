"""What the steps of a request take, and how a client is told (W3C Server Timing).

Told only where `SERVER_TIMING` is on: who can read it sees whether a sandbox was waiting, and
how long the queue was.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from api.auth import Connection
from executor.messages import StepTimes

HEADER = "Server-Timing"

PART_OF_RUN = "program"
"""The one step that lies within another."""

_CLOCK = "step_clock"

OwnStep = Literal["admit", "resolve", "answer"]
"""Steps of the API itself: credentials, rate and body are read and checked; the inputs are
looked up; the answer is written."""

StepsAreKnown = Callable[["RequestClock"], None]


class RequestClock:
    """A stopwatch for one request."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun = self._last = clock()
        self._ms: dict[str, float] = {}
        self.language = ""
        """Of the program, once there is one: a canonical name."""

    def end(self, step: OwnStep) -> None:
        """Note that `step` has ended just now."""
        now = self._clock()
        self._ms[step] = (now - self._last) * 1000
        self._last = now

    def add(self, steps: StepTimes) -> None:
        """Note what the steps of the run took, which has come back just now."""
        for name in StepTimes.model_fields:
            self._ms[name] = getattr(steps, name)
        self._last = self._clock()

    @property
    def steps_ms(self) -> Mapping[str, float]:
        """What is known by now, in the order of the steps; empty if no run was asked for."""
        return self._ms

    @property
    def total_ms(self) -> float:
        """What has passed since the request came."""
        return (self._clock() - self._begun) * 1000


async def start_clock(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Begin to measure a request (a Litestar guard, before all others)."""
    connection.scope["state"][_CLOCK] = RequestClock()


def clock_of(request: Request[Any, Any, Any]) -> RequestClock:
    """Return the clock that `start_clock` has started."""
    clock: RequestClock = request.scope["state"][_CLOCK]
    return clock


class StepTeller:
    """Says what the steps took, when the answer goes out (a Litestar `before_send` hook)."""

    def __init__(self, *, in_header: bool, observe: StepsAreKnown | None) -> None:
        """Tell the client if `in_header`, and `observe` if there is one."""
        self._in_header = in_header
        self._observe = observe

    async def __call__(self, message: Message, scope: Scope) -> None:
        """Look at a message of the answer; only its start is of interest."""
        if message["type"] != "http.response.start":
            return
        clock: RequestClock | None = scope["state"].get(_CLOCK)
        if clock is None or not clock.steps_ms:
            return
        clock.end("answer")
        if self._in_header:
            MutableScopeHeaders.from_message(message)[HEADER] = header_value(clock)
        if self._observe is not None:
            self._observe(clock)


def header_value(clock: RequestClock) -> str:
    """Write the steps as the header has them: tokens and milliseconds."""
    metrics = [f"{name};dur={ms:.2f}" for name, ms in clock.steps_ms.items()]
    return ", ".join([*metrics, f"total;dur={clock.total_ms:.2f}"])
