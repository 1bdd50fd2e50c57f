"""The tenant next door: asks for small runs all the time, and wants the right answers."""

import threading
import time
from types import TracebackType
from typing import Any, Self

from tests.live.running_service_caller import Caller

PAUSE_S = 0.25
PATIENCE_S = 10.0
"""Longest answer to a small run during an attack: generous, since two processors may be shared
by an attack, a build and the tests. The ratio to a quiet service is measured by the bench."""

EXPECTED = "42\n"


class Neighbour:
    """Runs small programs in a thread of its own, from `with` to its end."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="neighbour")
        self._served = threading.Condition()
        self._answers: list[tuple[Any, float]] = []
        self._fault: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def is_still_served(self) -> None:
        """Wait for an answer to a run that is asked for now; all so far must be right."""
        with self._served:
            # The one under way may have been asked for before.
            wanted = len(self._answers) + 2
            assert self._served.wait_for(
                lambda: self._fault is not None or len(self._answers) >= wanted,
                timeout=3 * PATIENCE_S,
            ), "the neighbour waits"
        if self._fault is not None:
            raise AssertionError("the neighbour was not served") from self._fault
        wrong = [answer for answer, _ in self._answers if answer["stdout"] != EXPECTED]
        assert wrong == []
        slowest = max(took_s for _, took_s in self._answers)
        assert slowest < PATIENCE_S, f"the neighbour waited {slowest:.1f} s"

    def _live(self) -> None:
        while not self._is_over.is_set():
            began_at = time.monotonic()
            try:
                answer = self._caller.run("print(6 * 7)")
            except BaseException as fault:  # noqa: BLE001 - told by `is_still_served`
                self._fault = fault
                with self._served:
                    self._served.notify_all()
                return
            with self._served:
                self._answers.append((answer, time.monotonic() - began_at))
                self._served.notify_all()
            self._is_over.wait(PAUSE_S)
