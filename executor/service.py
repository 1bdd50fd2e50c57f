"""The executor as one object: wired once, running in an event loop of its own thread.

Celery's threads hand runs over and wait; everything that waits for Docker or S3 does so in
the loop, where a deadline or a cancellation reaches it at any time.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

from executor import boot_check, run_log
from executor.admission import Admission, Reserve
from executor.assets_source import AssetSource
from executor.broker_clock import BrokerClock
from executor.cleaning import Cleaning
from executor.concurrency import end
from executor.engines import disk_of, image_labels, make_engine
from executor.heartbeat import beat
from executor.held import Held
from executor.image_check import ImageCheck
from executor.intake import Intake
from executor.kept_state import StateKeeper
from executor.memory import MemoryRules
from executor.messages import (
    SHARED_QUEUES,
    Failed,
    FailureKind,
    RunReport,
    RunRequest,
)
from executor.pool import WarmPool
from executor.programmatic import ProgrammaticRunner
from executor.reports import Reports
from executor.run import Runner, RunTakenError, Work
from executor.run_limits import run_limits
from executor.settings import ExecutorSettings
from executor.signs_of_life import ExecutorFigures, ExecutorStatus
from executor.state_locks import StateLocks
from executor.tool_messages import RoundRequest
from storage.ids import new_id
from storage.observed import ObservedObjectStore
from storage.s3 import S3ObjectStore
from storage.sessions import Sessions
from storage.states import States
from telemetry import traces

REPORTING_GRACE_S = 2.0
"""What the reports of cancelled runs may take when the executor ends."""

_log = logging.getLogger(__name__)


class ExecutorService:
    """Runs what it is handed, from any thread."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        self.instance_id = f"{settings.code_executor_id}-{new_id()[:8]}"
        self._assets = AssetSource(settings)
        self._engine = make_engine(settings, self._assets.first())
        self._pool = WarmPool(
            self._engine,
            size=settings.sandbox_pool_size,
            most=settings.most_waiting_sandboxes,
            slots=settings.runs_at_once,
        )
        self._clock = BrokerClock(settings.clock_url)
        self._store = ObservedObjectStore(S3ObjectStore(settings), around=traces.storage_span)
        max_age = settings.session_max_age
        sessions = Sessions(self._store, max_age=max_age, clock=self._clock.utc)
        self._locks = StateLocks(settings.result_url)
        self._runner = Runner(
            pool=self._pool,
            sessions=sessions,
            limits=run_limits(settings),
            memory=MemoryRules.from_settings(settings),
            keeper=StateKeeper(
                states=States(self._store, max_age=max_age, clock=self._clock.utc),
                locks=self._locks,
                terms=settings.state_terms,
            ),
            clock=self._clock.now,
        )
        self._held = Held(
            most=settings.programmatic_max_waiting,
            most_of_tenant=settings.programmatic_max_waiting_per_tenant,
            retire=self._pool.retire,
        )
        self._programmatic = ProgrammaticRunner(
            runner=self._runner, held=self._held, instance_id=self.instance_id
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="executor-loop")
        self._reports = Reports(
            settings.result_url, instance_id=self.instance_id, clock=self._clock.now
        )
        self._runs: dict[str, asyncio.Task[RunReport]] = {}
        self._taken: set[asyncio.Task[RunReport | None]] = set()
        self._life: Future[None] | None = None
        self._stop = asyncio.Event()
        self._gives_up = False
        self.intake = Intake(SHARED_QUEUES)
        """For Celery's consumer to be attached to."""
        self._image = ImageCheck(settings.sandbox_image, partial(image_labels, settings))
        self._admission = Admission(
            self.intake,
            Reserve.from_settings(settings),
            makes_ahead=settings.sandbox_pool_size > 0,
        )
        self._cleaning = Cleaning(
            self._engine, interval_s=settings.cleanup_interval_minutes * 60
        )
        self._missed_beats = 0

    def start(self) -> None:
        """Start the loop; fill the pool and clean up in the background.

        Raises:
            KnownEscapeError: This host is refused (`SANDBOX_STRICT`); `stop` is still to come.
        """
        self._thread.start()
        if self._settings.sandbox_strict:
            checked = boot_check.refuse(self._engine)
            asyncio.run_coroutine_threadsafe(checked, self._loop).result()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), self._loop)

    def stop(self) -> None:
        """Cancel what still runs, remove every sandbox, end the loop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        if self._life is not None:
            self._life.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, request: RunRequest) -> RunReport | None:
        """Run a program; blocks until its report is told. Called from Celery's threads.

        One that calls tools may have come no further than to wait for them: `carry_on`.
        Returns `None`, and tells nothing, where the run was begun before.
        """
        plain = request.tools is None
        work = self._runner.run if plain else self._programmatic.begin
        name = f"session {request.session_id}, tenant {request.tenant}, {request.language}"
        return self._in_loop(self._followed(request, partial(work, request), name))

    def carry_on(self, request: RoundRequest) -> RunReport | None:
        """Run a program on that waits here; blocks, and returns, as `run` does."""
        work = partial(self._programmatic.carry_on, request)
        return self._in_loop(self._followed(request, work, f"of {request.held_run_id}"))

    def _in_loop(self, work: Coroutine[Any, Any, RunReport | None]) -> RunReport | None:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def cancel(self, run_id: str) -> None:
        """End a run whose client left; unknown ones are none of ours. From any thread."""
        self._loop.call_soon_threadsafe(self._cancel, run_id)

    def hand_back_after(self, grace_s: float) -> None:
        """Begin nothing more; give what runs `grace_s` seconds to end. From any thread."""
        self._admission.end()
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_s, self._hand_back)

    def _cancel(self, run_id: str) -> None:
        task = self._runs.get(run_id)
        if task is not None:
            task.cancel()
        self._held.drop_by_id(run_id)

    def _hand_back(self) -> None:
        self._gives_up = True
        for task in self._runs.values():
            task.cancel()

    async def _followed(
        self, request: RunRequest | RoundRequest, work: Work, name: str
    ) -> RunReport | None:
        with run_log.followed(request):
            return await self._run_and_tell(request, work, name)

    async def _run_and_tell(
        self, request: RunRequest | RoundRequest, work: Work, name: str
    ) -> RunReport | None:
        taken = cast("asyncio.Task[RunReport | None]", asyncio.current_task())
        self._taken.add(taken)
        taken.add_done_callback(self._taken.discard)
        if request.run_id in self._runs:
            return run_log.told_by_another(request)
        claim = asyncio.create_task(self._reports.claim(request.run_id, until=request.deadline))
        begun = asyncio.create_task(self._tell_begun(request, claim))
        try:
            report = await self._registered(request.run_id, work, claim)
        except RunTakenError:
            report = None
        finally:
            await begun  # It may not overwrite what is told next, by us or by Celery.
        # Neither may a failure of ours stand for a run that goes on elsewhere.
        if report is None or not await claim:
            return run_log.told_by_another(request)
        await self._reports.ended(report, until=request.deadline)
        run_log.ended(name, report)
        return report

    async def _tell_begun(
        self, request: RunRequest | RoundRequest, claim: "asyncio.Task[bool]"
    ) -> None:
        if await claim:
            await self._reports.begun(request.run_id)

    async def _registered(
        self, run_id: str, work: Work, claim: "asyncio.Task[bool]"
    ) -> RunReport:
        is_ours = asyncio.shield(claim)  # A run that is cancelled may not take it along.
        task = asyncio.create_task(work(is_ours=is_ours))
        self._runs[run_id] = task
        try:
            report = await task
        except asyncio.CancelledError:
            failed = Failed(kind=FailureKind.CANCELLED)
            if self._gives_up:
                failed = Failed(kind=FailureKind.HANDED_BACK, detail=self.instance_id)
            report = RunReport(run_id=run_id, result=failed)
        finally:
            del self._runs[run_id]
        return report

    async def _live(self) -> None:
        """Hold the pool, the clean-up and the sign of life until `stop`."""
        async with self._pool:
            chores = (
                asyncio.create_task(self._beat()),
                asyncio.create_task(self._cleaning.go_on()),
                asyncio.create_task(self._clock.follow()),
                asyncio.create_task(boot_check.tell(self._engine)),
                asyncio.create_task(self._image.check()),
                asyncio.create_task(self._assets.follow(self._engine, self._pool)),
                asyncio.create_task(
                    self._admission.find_disk(partial(disk_of, self._settings))
                ),
            )
            await self._stop.wait()
            self._gives_up = True
            await end((*chores, *self._runs.values()))
            self._held.close()
            if self._taken:
                await asyncio.wait(self._taken, timeout=REPORTING_GRACE_S)
        await self._reports.close()
        await self._locks.close()
        await self._engine.close()

    async def _beat(self) -> None:
        def failed() -> None:
            self._missed_beats += 1

        url = self._settings.result_url
        await beat(url, self._status, engine=self._engine, pool=self._pool, failed=failed)

    def _status(self, trouble: str) -> ExecutorStatus:
        self._cleaning.note(trouble)
        refusal = self._admission.judge(trouble)
        if self._admission.is_short:
            self._held.make_room()
        return ExecutorStatus(
            instance_id=self.instance_id,
            host=socket.gethostname(),
            engine="down" if trouble else "up",
            accepting=not refusal,
            detail=trouble or refusal,
            image_version=self._image.version,
            ready_sandboxes=self._pool.ready,
            preloaded_sandboxes=self._pool.preloaded,
            making_sandboxes=self._pool.making,
            removing_sandboxes=self._pool.removing,
            left_sandboxes=self._engine.left_behind,
            running=len(self._runs),
            held_sandboxes=len(self._held),
            capacity=self._settings.runs_at_once,
            spare_capacity=self._settings.spare_runs,
            figures=self._figures(),
        )

    def _figures(self) -> ExecutorFigures:
        tally = self._pool.tally
        return ExecutorFigures(
            sandboxes_made=tally.made,
            sandboxes_failed=tally.failed,
            sandboxes_removed=tally.removed,
            leftovers_removed=self._cleaning.removed,
            storage_errors=self._store.errors.total(),
            broker_errors=self._missed_beats + self._reports.errors,
        )
