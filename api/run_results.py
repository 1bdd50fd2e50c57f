"""Hears how runs go, from what executors write into the result store.

Celery's Redis backend publishes each result on a channel named like its key. One pattern
subscription per process resolves a future per run, so no thread waits for anything. Pub/sub
loses what is sent while the connection is down: after every subscription, and on a slow timer,
the outstanding keys are read as well.
"""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from api.retrying import keep_doing

logger = logging.getLogger(__name__)

KEY_PREFIX = "celery-task-meta-"
KEY_PATTERN = f"{KEY_PREFIX}*"
CATCH_UP_INTERVAL_S = 5.0
SILENCE_S = 5.0
"""After so much silence the subscription is pinged, and after twice as much given up: a
connection may be dead without either side having been told."""

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED"})


class TaskMeta(msgspec.Struct):
    """What Celery stores about a task."""

    status: str
    result: Any = None


@dataclass(slots=True)
class ExpectedRun:
    """A run that somebody waits for."""

    outcome: asyncio.Future[TaskMeta]
    """Its end, whichever it is."""
    executor: str | None = None
    """The instance id of the executor that has begun it."""
    begun_at: float = field(default=0.0)
    """When we heard so, on the event loop's clock."""


class RunResults:
    """Waits for the results of many runs at once."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._expected: dict[str, ExpectedRun] = {}
        self._taken: set[str] = set()
        self._something_taken = asyncio.Event()
        self.listening = False
        """Whether the subscription stands."""

    @contextmanager
    def expect(self, run_id: str) -> Generator[ExpectedRun, None, None]:
        """Listen for one run. To be entered before the run is sent."""
        expected = ExpectedRun(asyncio.get_running_loop().create_future())
        self._expected[run_id] = expected
        try:
            yield expected
        finally:
            del self._expected[run_id]
            expected.outcome.cancel()

    async def listen(self) -> NoReturn:
        """Keep the subscription up until cancelled."""
        await keep_doing(self._subscribe, "listening for results")

    async def catch_up(self) -> NoReturn:
        """Read what is outstanding every few seconds, until cancelled."""

        async def turn() -> None:
            await asyncio.sleep(CATCH_UP_INTERVAL_S)
            await self._read_outstanding()

        await keep_doing(turn, "reading outstanding results")

    async def tidy(self) -> NoReturn:
        """Remove results that were taken, many at a time, until cancelled.

        Off the path of the answers. Those that cannot be removed expire.
        """

        async def turn() -> None:
            await self._something_taken.wait()
            self._something_taken.clear()
            taken, self._taken = self._taken, set()
            if taken:
                await self._redis.unlink(*taken)

        await keep_doing(turn, "removing results that were taken")

    async def _subscribe(self) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.psubscribe(KEY_PATTERN)
            try:
                while True:
                    await self._hear(await _next_message(subscription))
            finally:
                self.listening = False

    async def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "psubscribe":
            # Only now is everything heard that is published from now on.
            self.listening = True
            await self._read_outstanding()
        elif message["type"] == "pmessage":
            self._take(bytes(message["channel"]).decode(), bytes(message["data"]))

    async def _read_outstanding(self) -> None:
        keys = [f"{KEY_PREFIX}{run_id}" for run_id in self._expected]
        if keys:
            for key, value in zip(keys, await self._redis.mget(keys), strict=True):
                if value is not None:
                    self._take(key, value)

    def _take(self, key: str, value: bytes | str) -> None:
        expected = self._expected.get(key.removeprefix(KEY_PREFIX))
        if expected is None or expected.outcome.done():
            return  # Another API process waits for it, or nobody does any more.
        try:
            meta = msgspec.json.decode(value, type=TaskMeta)
        except msgspec.MsgspecError:
            logger.exception("%s holds no result of Celery's", key)
            return
        if meta.status in ENDED:
            expected.outcome.set_result(meta)
            self._taken.add(key)
            self._something_taken.set()
        elif meta.status == "STARTED" and isinstance(meta.result, dict):
            expected.executor = str(meta.result.get("hostname", "")).partition("@")[2]
            expected.begun_at = asyncio.get_running_loop().time()


async def _next_message(subscription: PubSub) -> dict[str, Any]:
    """Return the next message, and make sure that silence means that there is none.

    Raises:
        RedisError: The connection is gone.
    """
    message = await subscription.get_message(timeout=SILENCE_S)
    if message is None:
        await subscription.ping()
        message = await subscription.get_message(timeout=SILENCE_S)
    if message is None:
        raise RedisError("the subscription has fallen silent")
    return message
