"""Tells the API how runs go, as Celery's Redis backend would: same keys, channels and form.

Celery itself would do it in the thread that waits for a run: a GET, a SET and a PUBLISH before
the program may begin, and as much again once it has ended, which took 1.3 ms of a run. From
the event loop the first is told while the program is on its way already, and the report goes
out without another turn of threads. What Celery says of a task that fails, it still says.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from redis.exceptions import RedisError

from executor.messages import RunReport
from executor.redis_connection import redis_at

KEY_PREFIX = "celery-task-meta-"
EXPIRY_S = 600
"""How long a report is kept that nobody takes."""

CLAIM_PREFIX = "code-command:begun:"
CLAIM_EXPIRY_S = 600
"""On top of a run's deadline, after which its message is dropped anyway: clocks may differ."""

TIMEOUT_S = 5.0
PAUSE_S = 0.5
"""Between attempts to tell a report, while the store is away."""

_log = logging.getLogger(__name__)


class Reports:
    """Writes what the API waits for. Used in one event loop."""

    def __init__(
        self, url: str, *, instance_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Write to the Redis at `url`, when there is something to write."""
        self._instance_id = instance_id
        self._clock = clock
        self._redis = redis_at(url, timeout_s=TIMEOUT_S)
        self.errors = 0
        """How often the store did not answer."""
        self._begun = msgspec.json.encode({"hostname": f"executor@{instance_id}"}).decode()

    async def claim(self, run_id: str, *, until: float) -> bool:
        """Say whether a run is ours to begin: a message may come twice, a run begins once.

        Brokers give back what was not acknowledged, as when a connection broke, and an API
        that is not sure whether its message arrived sends it again. A second run would write
        over what the client was told of the first. What has lost its executor comes again
        under a new id (`api.celery_dispatch`). While the store does not answer, it is asked
        again until the Unix time `until`: an executor that was stopped or cut off for a while
        may not begin what another has run meanwhile (seen), and without the store nobody hears
        of a run anyway.
        """
        token = f"{self._instance_id} {uuid4().hex}"  # An answer that was lost is known again.
        while True:
            left_s = until - self._clock()
            try:
                return await self._claimed(run_id, token, keep_s=max(1, int(left_s)))
            except (RedisError, OSError) as fault:
                self.errors += 1
                if left_s < PAUSE_S:
                    _log.warning("run %s: nobody knows if it has begun: %s", run_id, fault)
                    return False
            await asyncio.sleep(PAUSE_S)

    async def _claimed(self, run_id: str, token: str, *, keep_s: int) -> bool:
        key = f"{CLAIM_PREFIX}{run_id}"
        if await self._redis.set(key, token, nx=True, ex=keep_s + CLAIM_EXPIRY_S):
            return True
        return await self._redis.get(key) == token.encode()

    async def begun(self, run_id: str) -> None:
        """Say who has the run, so that it is missed if its executor vanishes.

        To be awaited before the report: nothing may overwrite that. A store that does not
        answer is only noted: the report says more.
        """
        try:
            await self._write(run_id, "STARTED", self._begun)
        except (RedisError, OSError) as fault:
            self.errors += 1
            _log.warning("run %s: nobody hears that it has begun: %s", run_id, fault)

    async def ended(self, report: RunReport, *, until: float) -> None:
        """Tell the report; while the store is away, try again until the Unix time `until`."""
        text = report.model_dump_json()
        while True:
            try:
                await self._write(report.run_id, "SUCCESS", text)
            except (RedisError, OSError) as fault:
                self.errors += 1
                if self._clock() + PAUSE_S > until:
                    _log.warning("run %s: nobody hears its report: %s", report.run_id, fault)
                    return
            else:
                return
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def _write(self, run_id: str, status: str, result: str) -> None:
        key = f"{KEY_PREFIX}{run_id}"
        now = datetime.now(UTC).isoformat()
        text = (
            f'{{"status":"{status}","result":{result},"traceback":null,"children":[],'
            f'"date_done":"{now}","task_id":{msgspec.json.encode(run_id).decode()}}}'
        )
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.setex(key, EXPIRY_S, text)
            pipe.publish(key, text)
            await pipe.execute()
