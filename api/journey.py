"""What a run's way to an executor and back takes, beside what the executor measured."""

import time

from executor.messages import RunReport


class Journey:
    """One run on its way. Made when it is about to be sent."""

    def __init__(self, *, turn_ms: float = 0.0) -> None:
        """Begin, after the run has waited `turn_ms` for its turn."""
        self._turn_ms = turn_ms
        self._began = time.perf_counter()
        self._sent = self._began
        self._sent_at = time.time()

    def sent(self) -> None:
        """Note that the broker has it."""
        self._sent = time.perf_counter()
        self._sent_at = time.time()

    def told_in(self, report: RunReport) -> RunReport:
        """Return `report`, which has come just now, with the steps of the way filled in.

        Only the turn from queue to executor needs the clocks of two machines, which may
        disagree: it divides what passed on ours, and never makes it more.
        """
        passed_ms = (time.perf_counter() - self._began) * 1000
        outside_ms = max(0.0, passed_ms - report.steps.in_executor_ms)
        # An executor may begin before this process hears that the broker has the run.
        send_ms = min((self._sent - self._began) * 1000, outside_ms)
        queue_ms = 0.0
        if report.begun_at is not None:
            by_two_clocks_ms = (report.begun_at - self._sent_at) * 1000
            queue_ms = min(max(by_two_clocks_ms, 0.0), outside_ms - send_ms)
        steps = report.steps.model_copy(
            update={
                "turn": self._turn_ms,
                "send": send_ms,
                "queue": queue_ms,
                "reply": outside_ms - send_ms - queue_ms,
            }
        )
        return report.model_copy(update={"steps": steps})
