"""The time by which runs are judged: the broker's, not this machine's.

A run's deadline crosses machines, and so does the age of a file. An executor whose clock is
wrong by a minute would drop fresh runs, or keep files alive that have expired. So the clocks
are compared with the broker's now and then, and in between only what passes is counted, which
a machine's clock being set does not change.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import redis.asyncio
import redis.exceptions

COMPARE_INTERVAL_S = 10.0
"""A clock that was set differently is believed for so long at most."""

RETRY_S = 1.0
TIMEOUT_S = 2.0
NOTEWORTHY_S = 5.0
"""Less is said in no log: the machine's clock is as good as any."""

_log = logging.getLogger(__name__)


class BrokerClock:
    """Tells the time as Redis does; until it was asked, as this machine does."""

    def __init__(
        self,
        url: str,
        *,
        machine: Callable[[], float] = time.time,
        passing: Callable[[], float] = time.monotonic,
    ) -> None:
        """Compare with the Redis at `url`, once `follow` runs."""
        self._url = url
        self._machine = machine
        self._passing = passing
        self._ahead_s: float | None = None
        """Of `passing`, whose zero means nothing."""

    def now(self) -> float:
        """Unix time, seconds."""
        if self._ahead_s is None:
            return self._machine()
        return self._passing() + self._ahead_s

    def utc(self) -> datetime:
        """The same, with its time zone."""
        return datetime.fromtimestamp(self.now(), UTC)

    async def follow(self) -> None:
        """Compare every few seconds until cancelled. A broker that is away is asked again."""
        connection = redis.asyncio.Redis.from_url(
            self._url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        try:
            while True:
                pause_s = COMPARE_INTERVAL_S
                try:
                    await self._compare(connection)
                except (redis.exceptions.RedisError, OSError) as fault:
                    _log.debug("the clocks are not compared: %s", fault)
                    pause_s = RETRY_S
                await asyncio.sleep(pause_s)
        finally:
            await connection.aclose()

    async def _compare(self, connection: redis.asyncio.Redis) -> None:
        asked_at = self._passing()
        seconds, microseconds = await connection.time()
        halfway = (asked_at + self._passing()) / 2
        is_first = self._ahead_s is None
        self._ahead_s = seconds + microseconds / 1e6 - halfway
        wrong_s = self._machine() - self.now()
        if is_first and abs(wrong_s) > NOTEWORTHY_S:
            _log.warning("this machine's clock differs from the broker's by %+.0f s", wrong_s)
