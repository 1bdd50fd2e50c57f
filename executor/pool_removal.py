"""Destroys used sandboxes in the background, a few at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context

from executor.sandbox import Sandbox
from telemetry.traces import span

_log = logging.getLogger(__name__)


class Removal:
    """A queue of sandboxes that nobody needs any more."""

    def __init__(self, *, at_once: int, changed: Callable[[], None]) -> None:
        """Begin with none.

        Args:
            at_once: How many are destroyed at the same time.
            changed: Called whenever one is gone.
        """
        self._at_once = at_once
        self._changed = changed
        self._queue: deque[Sandbox] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._held = False
        self.removed_count = 0
        """How many are gone."""

    @property
    def backlog(self) -> int:
        """How many are there still."""
        return len(self._queue) + len(self._under_way)

    def add(self, sandbox: Sandbox) -> None:
        """Have one destroyed."""
        self._queue.append(sandbox)
        self._go_on()

    def hold(self, held: bool) -> None:  # noqa: FBT001 - a switch
        """Begin with no further one, or go on."""
        self._held = held
        self._go_on()

    async def finished(self) -> None:
        """Return once all of them are gone."""
        self.hold(held=False)
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _go_on(self) -> None:
        while self._queue and not self._held and len(self._under_way) < self._at_once:
            # In a context of its own, as `executor.pool_making` says.
            task = asyncio.create_task(self._destroy(self._queue.popleft()), context=Context())
            self._under_way.add(task)
            task.add_done_callback(self._is_gone)

    def _is_gone(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self.removed_count += 1
        self._go_on()
        self._changed()

    @staticmethod
    async def _destroy(sandbox: Sandbox) -> None:
        try:
            with span("sandbox.destroy", kind="client"):
                await sandbox.destroy()
        except Exception:  # noqa: BLE001 - unseen otherwise: nobody awaits it
            _log.exception("%s could not be destroyed", sandbox.name)
