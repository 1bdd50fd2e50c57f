"""Tells the API that this executor lives, and how it fares."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import redis.asyncio
import redis.exceptions

from executor.pool import WarmPool
from executor.sandbox import SandboxEngine, SandboxUnavailableError
from executor.signs_of_life import (
    HEARTBEAT_INTERVAL_S,
    HEARTBEAT_KEY_PREFIX,
    HEARTBEAT_TTL_S,
    ExecutorStatus,
)

_log = logging.getLogger(__name__)


async def engine_trouble(engine: SandboxEngine, pool: WarmPool) -> str:
    """Return what keeps this executor from making sandboxes; empty if nothing does."""
    try:
        async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
            await engine.check()
    except SandboxUnavailableError as fault:
        return str(fault)
    except TimeoutError:
        return "the container engine does not answer"
    return pool.trouble


async def beat(
    url: str,
    status: Callable[[str], ExecutorStatus],
    *,
    engine: SandboxEngine,
    pool: WarmPool,
    failed: Callable[[], None],
) -> None:
    """Write a sign of life every `HEARTBEAT_INTERVAL_S` seconds until cancelled.

    A broker that is away is no reason to stop: the API will see the next beat. On leaving,
    the sign is taken back, so that nobody waits for an executor that ended in good order.
    `failed` is called for each sign that could not be given.
    """
    # Also to connect: after an outage the API gives executors `HEARTBEAT_TTL_S` to speak up.
    connection = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=HEARTBEAT_INTERVAL_S,
        socket_connect_timeout=HEARTBEAT_INTERVAL_S,
    )
    away = False
    current = status("")
    try:
        while True:
            pool.drop_dead()
            current = status(await engine_trouble(engine, pool))
            key = HEARTBEAT_KEY_PREFIX + current.instance_id
            try:
                await connection.set(key, current.model_dump_json(), ex=HEARTBEAT_TTL_S)
            except (redis.exceptions.RedisError, OSError) as fault:
                failed()
                if not away:
                    _log.warning("no sign of life can be given: %s", fault)
                away = True
            else:
                away = False
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
    finally:
        with suppress(redis.exceptions.RedisError, OSError):
            await connection.delete(HEARTBEAT_KEY_PREFIX + current.instance_id)
        await connection.aclose()
