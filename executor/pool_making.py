"""Makes sandboxes in the background, several at once."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from executor.concurrency import end
from executor.pool_clock import Clock, Pause
from executor.sandbox import Sandbox, SandboxEngine, SandboxUnavailableError
from telemetry.traces import span

_log = logging.getLogger(__name__)


class Making:
    """What is being made, and what keeps more from being made."""

    def __init__(
        self,
        engine: SandboxEngine,
        clock: Clock,
        *,
        made: Callable[[Sandbox, float], None],
        failed: Callable[[Exception], None],
        pause_over: Callable[[], object],
    ) -> None:
        """Begin with nothing.

        Args:
            engine: Makes them.
            clock: Measures how long it takes.
            made: Gets each new one, and the seconds that it took.
            failed: Gets the reason where there is none.
            pause_over: Called when it is time to try again.
        """
        self._engine = engine
        self._clock = clock
        self._made = made
        self._failed = failed
        self._pause = Pause(clock, over=pause_over)
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self.made_count = 0
        """How many have been made."""
        self.failed_count = 0
        """How many could not be."""
        self._trouble = ""

    @property
    def count(self) -> int:
        """How many are being made."""
        return self._count

    @property
    def trouble(self) -> str:
        """Why the last one could not be made; empty while all is well."""
        return self._trouble

    @property
    def paused(self) -> bool:
        """Whether the engine should be left alone, unless somebody waits."""
        return self._pause.lasts

    def begin(self) -> None:
        """Make one more."""
        self._count += 1
        # Whoever happens to be served at this moment has nothing to do with it: in its own
        # context, its log lines and spans have no run's ids.
        task = asyncio.create_task(self._make(), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel what is under way, and wait until nothing of it is left."""
        await self._pause.stop()
        await end(self._tasks)

    async def _make(self) -> None:
        began = self._clock.now()
        made = await self._created()
        self._count -= 1
        if isinstance(made, Exception):
            self.failed_count += 1
            self._pause.begin()
            self._failed(made)
            return
        self.made_count += 1
        if self._trouble:
            _log.info("sandboxes can be made again")
        self._trouble = ""
        self._pause.end()
        self._made(made, self._clock.now() - began)

    async def _created(self) -> Sandbox | Exception:
        try:
            with span("sandbox.create", kind="client"):
                return await self._engine.create()
        except SandboxUnavailableError as fault:
            if str(fault) != self._trouble:
                _log.warning("no sandbox can be made: %s", fault)
            self._trouble = str(fault)
            return fault
        except Exception as fault:  # noqa: BLE001 - unseen otherwise: nobody awaits it
            _log.exception("a sandbox could not be made")
            self._trouble = f"a sandbox could not be made: {type(fault).__name__}"
            return fault
