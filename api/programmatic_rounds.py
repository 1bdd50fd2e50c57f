"""Carries answers to the executor that holds a program, and the report of the round back."""

import asyncio
import time
from typing import Protocol

from pydantic import ValidationError

from api.dispatch import DispatchError, ExecutorLostError, RunTimedOutError
from api.live_executors import LiveExecutors
from api.run_producer import RunProducer
from api.run_queue import RedisRunQueue
from api.run_results import ExpectedRun, RunResults, TaskMeta
from executor.messages import RunReport
from executor.signs_of_life import HEARTBEAT_INTERVAL_S
from executor.tool_messages import RoundRequest

REPORT_GRACE_S = 3.0
"""A report that was sent at the deadline still gets through."""


class Rounds(Protocol):
    """How the API reaches programs that wait."""

    async def carry_on(
        self, request: RoundRequest, *, executor: str, held_at: float
    ) -> RunReport:
        """Have a program go on; return the report of that round.

        It is sent once and to nobody else: the program has called tools, which have had their
        effects. When the caller is cancelled, the program runs on.

        Args:
            request: The answers.
            executor: The instance that holds the program.
            held_at: A time at which it did; Unix time, seconds.

        Raises:
            ExecutorsUnavailableError: The broker does not answer. Safe to send again.
            ExecutorLostError: The executor is gone, and the program with it.
            RunTimedOutError: `request.deadline` passed.
        """
        ...

    async def end(self, run_id: str) -> None:
        """End a program, whether it waits or runs (then: the id of the round). Best effort."""
        ...


class CeleryRounds(Rounds):
    """The `Rounds` of production."""

    def __init__(
        self,
        producer: RunProducer,
        results: RunResults,
        executors: LiveExecutors,
        *,
        queue: RedisRunQueue | None,
    ) -> None:
        """Send through `queue` if there is one, else through `producer`."""
        self._send = producer.send_round if queue is None else queue.send_round
        self._producer = producer
        self._results = results
        self._executors = executors

    async def carry_on(
        self, request: RoundRequest, *, executor: str, held_at: float
    ) -> RunReport:
        """See `Rounds.carry_on`."""
        age_s = max(0.0, time.time() - held_at)
        since = asyncio.get_running_loop().time() - age_s
        self._require(executor, since)
        with self._results.expect(request.run_id) as expected:
            await self._send(request, executor)
            try:
                async with asyncio.timeout(request.deadline - time.time() + REPORT_GRACE_S):
                    return _report(await self._outcome(expected, executor, since))
            except TimeoutError:
                raise RunTimedOutError(f"round {request.run_id} has no report") from None

    async def end(self, run_id: str) -> None:
        """See `Rounds.end`."""
        await self._producer.cancel(run_id)

    async def _outcome(self, expected: ExpectedRun, executor: str, since: float) -> TaskMeta:
        while True:
            await asyncio.wait({expected.outcome}, timeout=HEARTBEAT_INTERVAL_S)
            if expected.outcome.done():
                return expected.outcome.result()
            self._require(executor, since)

    def _require(self, executor: str, since: float) -> None:
        if self._executors.is_lost(executor, since=since):
            raise ExecutorLostError(f"executor {executor} is gone, with a program that waited")


def _report(meta: TaskMeta) -> RunReport:
    if meta.status != "SUCCESS":
        raise DispatchError(f"the executor's task ended as {meta.status}")
    try:
        return RunReport.model_validate(meta.result)
    except ValidationError as fault:
        raise DispatchError("the executor's report cannot be read") from fault
