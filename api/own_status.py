"""An API process's sign of life: what waits in it, for `./code-command status`.

Other API processes do not read it: each has a queue of its own.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from redis.exceptions import RedisError

from executor.signs_of_life import HEARTBEAT_INTERVAL_S, HEARTBEAT_TTL_S
from storage.ids import new_id

API_KEY_PREFIX = "code-command:api:"


class ApiStatus(BaseModel):
    """What one process says of itself, every `HEARTBEAT_INTERVAL_S` seconds."""

    model_config = ConfigDict(frozen=True)

    instance_id: str
    """New at every start."""
    host: str
    waiting: int
    """Runs that wait for their turn."""
    oldest_wait_s: float
    out: int
    """Runs that are with the broker or an executor."""


def fresh_instance_id() -> str:
    """Return an id for this process."""
    return f"{socket.gethostname()}-{new_id()[:8]}"


async def tell_status(redis: Redis, status: Callable[[], ApiStatus]) -> NoReturn:
    """Write the sign until cancelled, and take it back then.

    A store that is away is waited for.
    """
    key = API_KEY_PREFIX + status().instance_id
    try:
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                await redis.set(key, status().model_dump_json(), ex=HEARTBEAT_TTL_S)
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
    finally:
        with suppress(RedisError, OSError, TimeoutError):
            await redis.delete(key)
