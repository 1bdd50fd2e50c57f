"""The `Dispatcher` of production: Celery carries the run, Redis the report."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from typing_extensions import override

from api.dispatch import (
    BrokerUnavailableError,
    Dispatcher,
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    Readiness,
    RunTimedOutError,
)
from api.journey import Journey
from api.live_executors import LiveExecutors
from api.own_status import ApiStatus, fresh_instance_id, tell_status
from api.programmatic_rounds import CeleryRounds
from api.retrying import in_background
from api.run_producer import RunProducer
from api.run_queue import RedisRunQueue
from api.run_results import ExpectedRun, RunResults, TaskMeta
from api.turns import QueueLimits
from api.turns_by_language import TurnsByLanguage
from executor.messages import (
    Failed,
    FailureKind,
    RunReport,
    RunRequest,
)
from executor.signs_of_life import HEARTBEAT_INTERVAL_S
from storage.ids import new_id

logger = logging.getLogger(__name__)

NOBODY_GRACE_S = 10.0
"""Executors may be gone for so long, as while they restart, before runs are refused."""
REPORT_GRACE_S = 3.0
"""A report that was sent at the deadline still gets through."""
REDIS_TIMEOUT_S = 2.0
REDIS_SCHEMES = ("redis://", "rediss://")


class CeleryDispatcher(Dispatcher):
    """Sends runs, waits for reports, and watches the executors meanwhile."""

    def __init__(
        self,
        producer: RunProducer,
        results: RunResults,
        executors: LiveExecutors,
        turns: TurnsByLanguage,
        *,
        queue: RedisRunQueue | None,
    ) -> None:
        """Send through `queue` if there is one, else through `producer`."""
        self._send = producer.send if queue is None else queue.send
        self.rounds = CeleryRounds(producer, results, executors, queue=queue)
        """How programs that wait are reached."""
        self._producer = producer
        self._results = results
        self._executors = executors
        self._turns = turns

    @override
    async def run(self, request: RunRequest) -> RunReport:
        self._require_somebody()
        wait_s = request.deadline - time.time() + REPORT_GRACE_S
        try:
            async with asyncio.timeout(wait_s):
                return await self._run_in_turn(request)
        except TimeoutError:
            raise RunTimedOutError(f"run {request.run_id} has no report") from None

    @override
    async def readiness(self) -> Readiness:
        return Readiness(
            broker_up=self._executors.broker_up and self._results.listening,
            executors=tuple(self._executors.statuses.values()),
            waiting=self._turns.waiting,
            oldest_wait_s=self._turns.oldest_wait_s,
            queue_length=self._executors.queue_length,
            broker_errors=self._executors.errors,
        )

    def _require_somebody(self) -> None:
        if self._executors.nobody_for_s() > NOBODY_GRACE_S:
            raise ExecutorsUnavailableError("no executor is alive")

    async def _run_in_turn(self, request: RunRequest) -> RunReport:
        came = time.perf_counter()
        turns = self._turns.of(request.language)
        async with turns.turn(request.tenant, _user_of(request)) as is_spare:
            turn_ms = (time.perf_counter() - came) * 1000
            self._require_somebody()  # They may have gone meanwhile.
            if is_spare:
                request = request.model_copy(update={"is_spare": True})
            return await self._attempt_twice(request, turn_ms)

    async def _attempt_twice(self, request: RunRequest, turn_ms: float) -> RunReport:
        try:
            report = await self._attempt(request, turn_ms)
        except ExecutorLostError as fault:
            reason = str(fault)
        else:
            if not self._can_be_passed_on(report):
                return report
            reason = f"run {request.run_id} was handed back"
        # A new id: the broker may yet hand the old message to somebody, who then finds it
        # revoked. A new session: an executor that only seemed dead may yet store what it has.
        first = request.run_id
        renewed = {"run_id": uuid4().hex, "session_id": new_id(), "first_run_id": first}
        again = request.model_copy(update=renewed)
        logger.warning("%s; sent again as %s", reason, again.run_id)
        report = await self._attempt(again, turn_ms)
        return report.model_copy(update={"session_id": again.session_id})

    def _can_be_passed_on(self, report: RunReport) -> bool:
        result = report.result
        if not isinstance(result, Failed) or result.kind is not FailureKind.HANDED_BACK:
            return False
        return self._executors.others_accept(result.detail)

    async def _attempt(self, request: RunRequest, turn_ms: float) -> RunReport:
        journey = Journey(turn_ms=turn_ms)
        with self._results.expect(request.run_id) as expected:
            try:
                await self._send(request)
                journey.sent()
                meta = await self._outcome(expected, request)
            except (asyncio.CancelledError, ExecutorLostError):
                # The client left, time is up, or the executor only seems dead.
                await self._producer.cancel(request.run_id)
                raise
        return journey.told_in(_report(meta))

    async def _outcome(self, expected: ExpectedRun, request: RunRequest) -> TaskMeta:
        """Wait for the run's end, for as long as its executor lives.

        A broker may have handed the message to an executor that was gone already: Redis does
        with one that waits for it on a connection nobody reads. Sent a second time it is run
        once all the same (`executor.reports`).

        Raises:
            ExecutorLostError: It does not any more.
            ExecutorsUnavailableError: Nobody has begun it, and nobody will.
        """
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        while True:
            await asyncio.wait({expected.outcome}, timeout=HEARTBEAT_INTERVAL_S)
            if expected.outcome.done():
                return expected.outcome.result()
            executor = expected.executor
            if executor:
                if self._executors.is_lost(executor, since=expected.begun_at):
                    raise ExecutorLostError(f"executor {executor} vanished during a run")
                continue
            if self._executors.nobody_for_s() > NOBODY_GRACE_S:
                await self._producer.cancel(request.run_id)
                raise ExecutorsUnavailableError("no executor takes runs any more")
            if request.is_spare:
                # Another API process, which knows nothing of ours, has runs in the slots that
                # are kept; one may last for minutes. It waits with all others from now on, and
                # still has the slot if that is free first.
                request = request.model_copy(update={"is_spare": False})
                await self._send_again(request)
            elif self._executors.has_lost_any(since=sent_at):
                logger.info("run %s may have gone with an executor: sent again", request.run_id)
                await self._send_again(request)
                sent_at = clock()

    async def _send_again(self, request: RunRequest) -> None:
        try:
            await self._send(request)
        except BrokerUnavailableError:  # Somebody may begin what it had before.
            await self._producer.cancel(request.run_id)
            raise


@asynccontextmanager
async def connected_dispatcher(
    *, broker_url: str, result_url: str, limits: QueueLimits
) -> AsyncGenerator[CeleryDispatcher, None]:
    """Make a dispatcher, and keep it connected until the block ends.

    A broker that cannot be reached is no error here: it may come later, and go and return.
    """
    redis = Redis.from_url(
        result_url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    producer = RunProducer(broker_url)
    queue = RedisRunQueue(broker_url) if broker_url.startswith(REDIS_SCHEMES) else None
    results = RunResults(redis)
    ask_broker = None if broker_url == result_url else producer.ask
    turns = TurnsByLanguage(limits)
    executors = LiveExecutors(redis, ask_broker=ask_broker, tell=turns.widen_for)
    try:
        async with in_background(
            results.listen(),
            results.catch_up(),
            results.tidy(),
            executors.watch(),
            tell_status(redis, partial(_own_status, fresh_instance_id(), turns)),
        ):
            yield CeleryDispatcher(producer, results, executors, turns, queue=queue)
    finally:
        producer.close()
        if queue is not None:
            await queue.close()
        await redis.aclose()


def _own_status(instance_id: str, turns: TurnsByLanguage) -> ApiStatus:
    return ApiStatus(
        instance_id=instance_id,
        host=socket.gethostname(),
        waiting=turns.waiting,
        oldest_wait_s=turns.oldest_wait_s,
        out=turns.out,
    )


def _user_of(request: RunRequest) -> str:
    """Name the user among whom a tenant's turns are shared.

    Whoever has a key can say that they are anybody. They take no turn of the user whom a token
    proves to be that one.
    """
    return f"{'token' if request.user_is_proven else 'key'}:{request.user}"


def _report(meta: TaskMeta) -> RunReport:
    if meta.status != "SUCCESS":
        # What the executor's task does not catch is a bug, and its log has the traceback.
        raise DispatchError(f"the executor's task ended as {meta.status}")
    try:
        return RunReport.model_validate(meta.result)
    except ValidationError as fault:
        raise DispatchError("the executor's report cannot be read") from fault
