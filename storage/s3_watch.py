"""Tells a write that takes long from a service that is not there any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 1.5
"""Most writes are through by then. One that is not may be a large part on a slow line, or one
to a service that takes connections and never answers, as when it is stopped or its disk hangs:
obstore's clock tells them apart only after 20 s."""

Ask = Callable[[], Awaitable[None]]
"""Returns if the service answers; raises what is to be told if it does not."""


async def while_it_answers(write: "asyncio.Future[T]", ask: Ask) -> T:
    """Wait for `write`, as long as the service answers small questions meanwhile.

    Raises:
        Exception: What `write` or `ask` raised. In the second case `write` goes on.
    """
    while True:
        done, _ = await asyncio.wait({write}, timeout=PATIENCE_S)
        if done:
            return write.result()
        await ask()
