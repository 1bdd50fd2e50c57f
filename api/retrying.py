"""Background work that goes on whatever happens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
CANCEL_AGAIN_S = 0.1
STEADY_S = 10.0
"""Work that went well for so long starts over with the shortest pause."""


async def keep_doing(work: Callable[[], Awaitable[None]], name: str) -> NoReturn:
    """Do `work` again and again until cancelled, with pauses after failures.

    A server that cannot be reached is told once in the log. Anything else is a bug: logged
    with its traceback, and survived, since whoever waits for this work would otherwise wait
    for ever.
    """
    clock = asyncio.get_running_loop().time
    pause_s = 0.0
    while True:
        begun_at = clock()
        try:
            await work()
        except Exception as fault:
            is_expected = isinstance(fault, RedisError | OSError | TimeoutError)
            if clock() - begun_at > STEADY_S:
                pause_s = 0.0
            if not is_expected:
                logger.exception("%s", name)
            elif not pause_s:
                logger.warning("%s: %s", name, fault)
            pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)
        else:
            pause_s = 0.0


@asynccontextmanager
async def in_background(*work: Coroutine[Any, Any, NoReturn]) -> AsyncGenerator[None, None]:
    """Do all `work` beside the block, and end it with the block."""
    tasks = {asyncio.create_task(each) for each in work}
    try:
        yield
    finally:
        await end(*tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel `tasks`, and wait until every one of them has ended, however it does.

    Once is not enough: Python 3.11's `asyncio.wait_for`, with which redis-py sends, swallows a
    cancellation that arrives together with its result. So this is for work that never ends by
    itself; what takes a while to end well is cancelled again meanwhile.
    """
    ending = set(tasks)
    while ending:
        for task in ending:
            task.cancel()
        _, ending = await asyncio.wait(ending, timeout=CANCEL_AGAIN_S)
