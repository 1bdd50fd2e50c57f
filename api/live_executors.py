"""Watches the executors' signs of life."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NoReturn

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.retrying import keep_doing
from executor.image_version import LABEL, mismatch, supervisor_digest
from executor.messages import RUN_QUEUES
from executor.signs_of_life import (
    HEARTBEAT_INTERVAL_S,
    HEARTBEAT_KEY_PREFIX,
    HEARTBEAT_TTL_S,
    ExecutorStatus,
)

logger = logging.getLogger(__name__)

LOST_AFTER_S = 1.5 * HEARTBEAT_INTERVAL_S
"""Two readings without it, on top of the sign's own time to live."""

FORGET_AFTER_S = 3600.0
"""Instance ids are new at every start; those long gone are of no use."""

SCAN_COUNT = 1000


class LiveExecutors:
    """Knows who is alive, as of a few seconds ago."""

    def __init__(
        self,
        redis: Redis,
        *,
        ask_broker: Callable[[], Awaitable[None]] | None,
        tell: Callable[[Collection[ExecutorStatus]], None],
    ) -> None:
        """Watch the signs of life in `redis`.

        Args:
            redis: The result store, where executors leave them.
            ask_broker: Raises `OSError` where the broker does not answer; None if `redis`
                is the broker.
            tell: Told after every look which executors are known to live.
        """
        self._redis = redis
        self._ask_broker = ask_broker
        self._tell = tell
        self._last_seen: dict[str, float] = {}
        self._expected_image = supervisor_digest()
        self._compared: set[str] = set()
        self._somebody_at = asyncio.get_running_loop().time()
        self._readable_since: float | None = None
        self.statuses: Mapping[str, ExecutorStatus] = {}
        self.broker_up = False
        self.queue_length: int | None = None
        """Runs that lie at the broker, where `redis` is it."""
        self.errors = 0
        """How often the store or the broker did not answer."""

    async def watch(self) -> NoReturn:
        """Look around every few seconds until cancelled."""

        async def turn() -> None:
            await self.look()
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)

        await keep_doing(turn, "watching executors")

    async def look(self) -> None:
        """Look around once. A store or broker that is down is noted, not raised."""
        try:
            statuses = await self._read()
            if self._ask_broker is not None:
                await self._ask_broker()
            else:
                lengths = [await self._redis.llen(queue) for queue in RUN_QUEUES]
                self.queue_length = sum(map(int, lengths))
        except (RedisError, OSError, TimeoutError) as fault:
            self.errors += 1
            if self.broker_up or self.errors == 1:
                logger.warning("the broker is down: %s", fault)
            # Nothing is known about the executors now; they are not thereby dead.
            self._readable_since = None
            self.broker_up = False
            self.statuses = {}
        else:
            self._note(statuses)
        self._tell(self.statuses.values())

    def _compare_image(self, status: ExecutorStatus) -> None:
        """Tell, once, of an executor whose sandboxes are not of this API's version.

        It takes runs all the same: while a service is renewed host by host both are right.
        """
        if not status.image_version or status.instance_id in self._compared:
            return
        self._compared.add(status.instance_id)
        labels = {LABEL: status.image_version}
        if problem := mismatch("there", labels, self._expected_image):
            logger.warning("executor %s: %s", status.instance_id, problem)

    def nobody_for_s(self) -> float:
        """How long no executor has taken runs, as far as we could see."""
        return asyncio.get_running_loop().time() - self._somebody_at

    def is_lost(self, instance_id: str, *, since: float) -> bool:
        """Whether an executor that gave a sign at `since` (the loop's clock) is gone.

        An outage of the result store silences all of them; after it they get the time to
        speak up again.
        """
        if self._readable_since is None or instance_id in self.statuses:
            return False
        now = asyncio.get_running_loop().time()
        last = max(self._last_seen.get(instance_id, since), since)
        return now - last > LOST_AFTER_S and now - self._readable_since > HEARTBEAT_TTL_S

    def has_lost_any(self, *, since: float) -> bool:
        """Whether an executor is gone that lived at `since` (the loop's clock) or later."""
        return any(
            seen + HEARTBEAT_INTERVAL_S >= since and self.is_lost(instance_id, since=seen)
            for instance_id, seen in self._last_seen.items()
        )

    def others_accept(self, instance_id: str) -> bool:
        """Whether anybody but this executor takes runs."""
        return any(
            status.accepting and status.instance_id != instance_id
            for status in self.statuses.values()
        )

    async def _read(self) -> dict[str, ExecutorStatus]:
        pattern = f"{HEARTBEAT_KEY_PREFIX}*"
        keys = [key async for key in self._redis.scan_iter(match=pattern, count=SCAN_COUNT)]
        values = await self._redis.mget(keys) if keys else []
        statuses: dict[str, ExecutorStatus] = {}
        for value in values:
            if value is not None:
                try:
                    status = ExecutorStatus.model_validate_json(value)
                except ValidationError as fault:
                    logger.warning("an executor's sign of life cannot be read: %s", fault)
                else:
                    statuses[status.instance_id] = status
        return statuses

    def _note(self, statuses: dict[str, ExecutorStatus]) -> None:
        now = asyncio.get_running_loop().time()
        if not self.broker_up:
            logger.info("the broker is up, with %d executors", len(statuses))
        if self._readable_since is None:
            self._readable_since = now
        self.broker_up = True
        self.statuses = statuses
        for status in statuses.values():
            self._compare_image(status)
        if any(status.accepting for status in statuses.values()):
            self._somebody_at = now
        self._last_seen.update(dict.fromkeys(statuses, now))
        for instance_id, seen in list(self._last_seen.items()):
            if now - seen > FORGET_AFTER_S:
                del self._last_seen[instance_id]
                self._compared.discard(instance_id)
