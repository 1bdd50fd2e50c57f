"""Removes what earlier lives, and stubborn programs, have left with the engine."""

import asyncio
import logging
from contextlib import suppress
from typing import NoReturn

from executor.sandbox import SandboxEngine, SandboxUnavailableError

RETRY_S = 5.0

_log = logging.getLogger(__name__)


class Cleaning:
    """Looks for leftovers now and then, and whenever it is told that there may be some."""

    def __init__(self, engine: SandboxEngine, *, interval_s: float) -> None:
        self._engine = engine
        self._interval_s = interval_s
        self._due = asyncio.Event()
        self._trouble = ""
        self.removed = 0
        """How many since the executor began."""

    def note(self, trouble: str) -> None:
        """Hear, at every sign of life, what keeps the engine from working; empty if nothing.

        An engine that is back may have leftovers of before it went away; and a program may
        have seen to it that its container dies slowly, and go on in it meanwhile.
        """
        if (self._trouble and not trouble) or self._engine.left_behind:
            self._due.set()
        self._trouble = trouble

    async def go_on(self) -> NoReturn:
        """Clean up at once, then every so often, until cancelled."""
        while True:
            self._due.clear()
            try:
                removed = await self._engine.remove_leftovers()
            except SandboxUnavailableError as fault:
                _log.warning("leftovers cannot be looked for yet: %s", fault)
                await asyncio.sleep(RETRY_S)
                continue
            self.removed += removed
            if removed:
                _log.info("removed %d leftovers", removed)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._due.wait()
