"""Has waiting sandboxes preload, in the background."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from executor.concurrency import end
from executor.pool_clock import Clock, Pause
from executor.pool_shelf import Waiting
from executor.sandbox import SandboxUnavailableError

_log = logging.getLogger(__name__)


class Preloading:
    """What preloads, and what keeps more from it."""

    def __init__(
        self, clock: Clock, *, took: Callable[[float], None], changed: Callable[[], object]
    ) -> None:
        """Begin with nothing.

        Args:
            clock: Measures how long it takes.
            took: Gets the seconds that one took from beginning to end.
            changed: Called when one has come to an end, of whatever kind, and when it is time
                to try another one.
        """
        self._clock = clock
        self._took = took
        self._changed = changed
        # A sandbox too small for what it should import dies of it, and so will the next.
        self._pause = Pause(clock, over=changed)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many are at it."""
        return len(self._tasks)

    @property
    def paused(self) -> bool:
        """Whether it has just failed, and should not be tried again yet."""
        return self._pause.lasts

    def begin(self, waiting: Waiting) -> None:
        """Have one preload."""
        # In a context of its own, as `executor.pool_making` says.
        waiting.preload = asyncio.create_task(self._preload(waiting), context=Context())
        self._tasks.add(waiting.preload)
        waiting.preload.add_done_callback(self._ended)

    @staticmethod
    async def interrupt(waiting: Waiting) -> None:
        """Have it listen to nobody but who takes it, however far it has come."""
        if waiting.preload is not None and not waiting.preload.done():
            await end([waiting.preload])

    async def stop(self) -> None:
        """Interrupt all of them."""
        await self._pause.stop()
        await end(self._tasks)

    async def _preload(self, waiting: Waiting) -> None:
        began = self._clock.now()
        try:
            await waiting.sandbox.preload()
        except SandboxUnavailableError as fault:
            _log.warning("preloading failed: %s", fault)
            waiting.broken = True
        except Exception:  # noqa: BLE001 - unseen otherwise: nobody awaits it
            _log.exception("%s could not preload", waiting.sandbox.name)
            waiting.broken = True
        if waiting.broken:
            self._pause.begin()
        else:
            self._pause.end()
            self._took(self._clock.now() - began)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._changed()
