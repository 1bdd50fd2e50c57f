"""Background work that goes on whatever happens."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
STEADY_S = 10.0
"""Work that went well for so long starts over with the shortest pause."""


async def keep_doing(work: Callable[[], Awaitable[None]], name: str) -> NoReturn:
    """Do `work` again and again until cancelled, with pauses after failures.

    A server that cannot be reached is told once in the log, and its return as well. Anything
    else is a bug: logged with its traceback, and survived, since whoever waits for this work
    would otherwise wait for ever.
    """
    clock = asyncio.get_running_loop().time
    pause_s = 0.0
    while True:
        begun_at = clock()
        try:
            await work()
        except (RedisError, OSError, TimeoutError) as fault:
            if not pause_s:
                logger.warning("%s: %s", name, fault)
        except Exception:
            logger.exception("%s", name)
        else:
            if pause_s:
                logger.warning("%s: goes on", name)
            pause_s = 0.0
            continue
        if clock() - begun_at > STEADY_S:
            pause_s = 0.0
        pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        await asyncio.sleep(pause_s)
