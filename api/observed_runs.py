"""Watches runs on their way: figures, the log, traces and the audit log are told of each."""

import logging
import time
from dataclasses import dataclass

from typing_extensions import override

from api.audit import AuditLog
from api.dispatch import Dispatcher, Readiness
from api.metrics import Metrics
from api.outcomes import told
from api.programmatic_rounds import Rounds
from executor.messages import Finished, RunReport, RunRequest, StepTimes
from executor.tool_messages import RoundRequest
from telemetry import traces
from telemetry.ids import bound, current_request_id

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWatchers:
    """Who is told."""

    metrics: Metrics | None = None
    audit: AuditLog | None = None


class ObservedDispatcher(Dispatcher):
    """Passes runs on, with the ids of the request that they are for."""

    def __init__(self, inner: Dispatcher, watchers: RunWatchers) -> None:
        self._inner = inner
        self._metrics = watchers.metrics
        self._audit = watchers.audit

    @override
    async def run(self, request: RunRequest) -> RunReport:
        ids = {"run_id": request.run_id, "session_id": request.session_id}
        about = {**ids, "language": request.language}
        with bound(**ids), traces.span("queue", kind="producer", attributes=about):
            return await self._run(
                request.model_copy(
                    update={
                        "request_id": current_request_id(),
                        "trace": traces.traceparent(),
                    }
                )
            )

    async def _run(self, request: RunRequest) -> RunReport:
        began_at = time.time()

        def ended(outcome: str, report: RunReport | None) -> None:
            if report is not None:
                _show_way(report.steps, began_at)
            if self._metrics is not None:
                self._metrics.run_ended(request, outcome, _finished(report))
            if self._audit is not None:
                self._audit.run_ended(request, outcome, report, began_at=began_at)
            _tell("run ended", outcome, began_at)

        if self._metrics is not None:
            self._metrics.run_began()
        return await told(self._inner.run(request), ended)

    @override
    async def readiness(self) -> Readiness:
        return await self._inner.readiness()


class ObservedRounds(Rounds):
    """The same for the later rounds of programs that call tools."""

    def __init__(self, inner: Rounds, watchers: RunWatchers) -> None:
        self._inner = inner
        self._metrics = watchers.metrics

    @override
    async def carry_on(
        self, request: RoundRequest, *, executor: str, held_at: float
    ) -> RunReport:
        ids = {"run_id": request.held_run_id, "round_id": request.run_id}
        began_at = time.time()

        def ended(outcome: str, report: RunReport | None) -> None:
            if self._metrics is not None:
                self._metrics.round_ended(outcome, _finished(report))
            _tell("round ended", outcome, began_at)

        with bound(**ids), traces.span("queue", kind="producer", attributes=ids):
            update = {"request_id": current_request_id(), "trace": traces.traceparent()}
            working = self._inner.carry_on(
                request.model_copy(update=update), executor=executor, held_at=held_at
            )
            return await told(working, ended)

    @override
    async def end(self, run_id: str) -> None:
        await self._inner.end(run_id)


def _finished(report: RunReport | None) -> Finished | None:
    return report.result if report and isinstance(report.result, Finished) else None


def _tell(event: str, outcome: str, began_at: float) -> None:
    took_ms = round((time.time() - began_at) * 1000)
    logger.info(event, extra={"outcome": outcome, "took_ms": took_ms})
    traces.note(outcome=outcome)


def _show_way(steps: StepTimes, began_at: float) -> None:
    """Show in the trace what a run waited for before an executor had it."""
    had_turn_at = began_at + steps.turn / 1000
    taken_at = had_turn_at + (steps.send + steps.queue) / 1000
    traces.past_span("queue.turn", ended_at=had_turn_at, took_ms=steps.turn)
    traces.past_span("queue.broker", ended_at=taken_at, took_ms=steps.send + steps.queue)
