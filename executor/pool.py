"""Sandboxes that wait: created, started and preloaded before anybody asks.

A sandbox leaves the pool once and never comes back: it is used for one run and destroyed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from executor.sandbox import Sandbox, SandboxEngine, SandboxUnavailableError

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0
"""How long to wait before asking an engine again that could make no sandbox."""

_log = logging.getLogger(__name__)


class WarmPool:
    """Keeps up to `size` sandboxes waiting, and makes more on demand.

    An asynchronous context manager: on leaving, every sandbox that waits is destroyed, and
    the destruction of used ones is awaited.
    """

    def __init__(self, engine: SandboxEngine, *, size: int) -> None:
        self._engine = engine
        self._size = size
        self._ready: deque[Sandbox] = deque()
        self._room = asyncio.Event()
        self._destructions: set[asyncio.Task[None]] = set()
        self._refill: asyncio.Task[None] | None = None
        self._trouble = ""

    @property
    def ready(self) -> int:
        """How many sandboxes wait."""
        return len(self._ready)

    @property
    def trouble(self) -> str:
        """Why the last sandbox could not be made; empty while all is well."""
        return self._trouble

    async def __aenter__(self) -> Self:
        """Begin to fill the pool, in the background."""
        self._refill = asyncio.create_task(self._keep_full())
        self._room.set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Destroy all that is left."""
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)
        while self._ready:
            self.retire(self._ready.popleft())
        while self._destructions:
            await asyncio.gather(*self._destructions, return_exceptions=True)

    async def claim(self) -> Sandbox:
        """Return a sandbox that no one else has or had: a waiting one, else a new one.

        Whoever claims it must `retire` it.

        Raises:
            SandboxUnavailableError: None waits, and none can be made.
        """
        while self._ready:
            sandbox = self._ready.popleft()
            self._room.set()
            if sandbox.alive:
                return sandbox
            self.retire(sandbox)
        return await self._create()

    def retire(self, sandbox: Sandbox) -> None:
        """Have a claimed sandbox destroyed, off the caller's path."""
        self._in_background(sandbox.destroy())

    def abandon(self, claim: "asyncio.Task[Sandbox]") -> None:
        """Give up a claim that is under way; what it may bring yet is destroyed."""
        claim.cancel()
        self._in_background(self._destroy_claimed(claim))

    @staticmethod
    async def _destroy_claimed(claim: "asyncio.Task[Sandbox]") -> None:
        await asyncio.wait([claim])
        if not claim.cancelled() and claim.exception() is None:
            await claim.result().destroy()

    def _in_background(self, destruction: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(destruction)
        self._destructions.add(task)
        task.add_done_callback(self._destructions.discard)

    def drop_dead(self) -> int:
        """Retire waiting sandboxes that have ended by themselves; return how many."""
        dead = [sandbox for sandbox in self._ready if not sandbox.alive]
        for sandbox in dead:
            self._ready.remove(sandbox)
            self.retire(sandbox)
        if dead:
            self._room.set()
        return len(dead)

    async def _create(self) -> Sandbox:
        try:
            sandbox = await self._engine.create()
        except SandboxUnavailableError as fault:
            if str(fault) != self._trouble:
                _log.warning("no sandbox can be made: %s", fault)
            self._trouble = str(fault)
            raise
        if self._trouble:
            _log.info("sandboxes can be made again")
        self._trouble = ""
        return sandbox

    async def _keep_full(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            await self._room.wait()
            self._room.clear()
            while len(self._ready) < self._size:
                try:
                    self._ready.append(await self._create())
                    retry_s = FIRST_RETRY_S
                except SandboxUnavailableError:
                    pass
                except Exception as fault:  # noqa: BLE001 - unseen otherwise: nobody awaits it
                    _log.exception("a sandbox could not be made")
                    self._trouble = f"a sandbox could not be made: {type(fault).__name__}"
                else:
                    continue
                await asyncio.sleep(retry_s)
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
