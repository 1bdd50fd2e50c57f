"""Waiting for what happens in the background and has no event of its own."""

import asyncio
from collections.abc import Callable

TIMEOUT_S = 10.0


async def eventually(condition: Callable[[], bool], *, timeout_s: float = TIMEOUT_S) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: It does not come to hold in time.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - there is no event: see the module
            await asyncio.sleep(0.002)
