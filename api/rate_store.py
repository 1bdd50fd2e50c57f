"""Counts requests in Redis or Valkey, for all replicas of the API together."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.rates import Rate
from api.seldom import Seldom

logger = logging.getLogger(__name__)

KEY_PREFIX = "code-command:rate"

REDIS_TIMEOUT_S = 2.0

PAUSE_S = 5.0
"""A store that did not answer is left alone for so long: else every request, downloads
included, would wait for it in vain."""

MAX_CONNECTIONS = 32
"""Requests in excess wait for their turn here. Connections without limit would be as many as
a flood has requests, and a pool that gives up on them would let the flood through."""

_FAULTS = (RedisError, OSError, TimeoutError)


class Standing(NamedTuple):
    """Where a client stands after a request."""

    allowed: bool
    rate: Rate
    remaining: int
    """Requests that would be allowed at once."""
    reset_s: int
    """Seconds until the oldest request that is counted no longer is, so that there is room
    for one more; rounded up, at least 1."""


class RateStore:
    """A moving window: in no time of a rate's length are more requests allowed than it says.

    A fixed window would let twice as many through around its end. Requests that are refused
    are not counted, so a client that retries too early does not lengthen its wait.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        # The pool is ours: the library cannot read every URL that redis-py can, and quotes
        # the one that it cannot, with its password.
        connected: dict[str, Any] = {"connection_pool": pool}
        storage = RedisStorage(
            "redis://", implementation="redispy", key_prefix=KEY_PREFIX, **connected
        )
        self._windows = MovingWindowRateLimiter(storage)
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._ask_again_at = 0.0
        self._is_down = False
        self._seldom = Seldom()

    async def take(self, rate: Rate, bucket: str, *who: str) -> Standing | None:
        """Count one request of `who`, if `rate` allows it.

        `None` where the store does not answer. That is told in the log, not raised: programs
        cannot be run without the store in any case, and files need not wait for it.
        """
        async with self._turns:
            if time.monotonic() < self._ask_again_at:
                return None
            try:
                standing = await self._ask(rate, bucket, who)
            except _FAULTS as fault:
                self._note_fault(fault)
                return None
        if self._is_down:
            self._is_down = False
            logger.info("requests are counted again")
        return standing

    async def _ask(self, rate: Rate, bucket: str, who: tuple[str, ...]) -> Standing:
        window = RateLimitItemPerSecond(rate.requests, rate.window_s, namespace=bucket)
        allowed = await self._windows.hit(window, *who)
        reset_at, remaining = await self._windows.get_window_stats(window, *who)
        if not allowed and remaining > 0:
            # There is room since; a client that was refused may come at once.
            return Standing(allowed, rate, remaining, 1)
        # The clocks of two replicas may differ by more than the window has left.
        reset_s = min(max(math.ceil(reset_at - time.time()), 1), rate.window_s)
        return Standing(allowed, rate, remaining, reset_s)

    def _note_fault(self, fault: Exception) -> None:
        self._ask_again_at = time.monotonic() + PAUSE_S
        self._is_down = True
        if self._seldom.is_due("down"):
            logger.warning(
                "requests pass uncounted while the result store does not answer: %s", fault
            )


@asynccontextmanager
async def connected_rate_store(url: str) -> AsyncGenerator[RateStore, None]:
    """Connect to the server at `url` whenever there is something to count.

    One that cannot be reached is no error: it may come later, and go and return.
    """
    pool = ConnectionPool.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield RateStore(pool)
    finally:
        await pool.aclose()
