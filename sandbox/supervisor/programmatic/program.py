"""Runs a program that may call tools, and has it wait while they are run elsewhere."""

import select
import time

from ..incoming import Incoming
from ..job import Job
from ..program import Program, Send
from ..standby import Standby
from .calls import ToolCalls


class ToolProgram(Program):
    """A program with a line for its calls."""

    def __init__(  # noqa: PLR0913 - its parts and one more
        self,
        job: Job,
        path: str,
        send: Send,
        *,
        standby: Standby,
        bystander: int | None,
        calls: ToolCalls,
    ) -> None:
        """Start it; see `Program`. `calls` takes what it asks for."""
        self._calls = calls
        super().__init__(job, path, send, standby=standby, bystander=bystander)

    def _watch(self, host: Incoming) -> str | None:
        calls, streams = self._calls, self._streams()
        while True:
            left = self._left_s()
            if left <= 0:
                return "time"
            readers = [self._wakeup, host.descriptor, calls.reader, *streams]
            wait_s = min(left, calls.due_in_s(left))
            ready, writable, _ = select.select(readers, calls.writers, [], wait_s)
            self._attend(ready, host, streams)
            calls.attend(ready, writable)
            if self._stdout.exceeded:
                return "stdout"
            if self._reap() or self._has_spoken():
                return None
            if calls.exceeded is not None:
                return calls.exceeded
            if calls.may_round_end(self._bystander):
                for stream in list(streams.values()):
                    stream.pump()  # What it said before it called is a part of this round.
                if not self._stdout.exceeded:
                    self._hold(host)

    def _hold(self, host: Incoming) -> None:
        """Wait for its answers: time that is not the program's."""
        began = time.monotonic()
        self._calls.hold(host)
        self._started += time.monotonic() - began
