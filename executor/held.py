"""Programs that wait for their tools: each with its sandbox, frozen, for a while."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from executor.concurrency import end, to_its_end
from executor.messages import RunRequest
from executor.sandbox import Sandbox, SandboxUnavailableError
from executor.tool_messages import HELD_S, Waiting

FREEZE_AFTER_S = 0.2
"""A client whose tools are quick is back by then, and nobody pays for freezing: with a Docker
engine 25 ms, and 25 ms again for thawing. Until then the program may still use a processor."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class HeldProgram:
    """One that waits, or is about to."""

    request: RunRequest
    sandbox: Sandbox
    answered: set[int] = field(default_factory=set[int])
    waiting: Waiting | None = None
    """What it waits for."""
    _freezing: "asyncio.Task[None] | None" = None
    _expiry: asyncio.TimerHandle | None = None

    def rest(self, *, expired: Callable[["HeldProgram"], None]) -> None:
        """Freeze it in a moment, and call `expired` when it has waited for too long."""
        if self._freezing is None:
            # Else it was asked again for what it has said: a second task would outlive `wake`,
            # and freeze a program that runs.
            self._freezing = asyncio.create_task(self._freeze())
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(HELD_S, expired, self)

    async def _freeze(self) -> None:
        await asyncio.sleep(FREEZE_AFTER_S)
        try:
            # To its end: nobody could say otherwise whether it is frozen.
            await to_its_end(self.sandbox.freeze())
        except SandboxUnavailableError as fault:
            _log.warning("run %s waits without being frozen: %s", self.request.run_id, fault)

    def stop_waiting(self) -> None:
        """Forget when it expires."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def give_up(self) -> None:
        """End what goes on around it; the sandbox is the caller's."""
        self.stop_waiting()
        if self._freezing is not None:
            self._freezing.cancel()

    async def wake(self) -> None:
        """Let it run again.

        Raises:
            SandboxUnavailableError: It is gone.
        """
        self.stop_waiting()
        freezing, self._freezing = self._freezing, None
        if freezing is not None:
            await end([freezing])
        await self.sandbox.thaw()


class Held:
    """The programs that wait in one executor."""

    def __init__(
        self, *, most: int, most_of_tenant: int, retire: Callable[[Sandbox], None]
    ) -> None:
        """Begin with none.

        Args:
            most: How many may wait.
            most_of_tenant: How many of one tenant's.
            retire: Gets the sandbox of a program that is not to go on.
        """
        self._most = most
        self._most_of_tenant = most_of_tenant
        self._retire = retire
        self._programs: dict[str, HeldProgram] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._programs)

    def add(self, program: HeldProgram) -> None:
        """Have one wait. Are there too many, the one that has waited longest is ended.

        Of the tenant who has the most, so that nobody ends another one's by having many.
        """
        self._programs[program.request.run_id] = program
        program.rest(expired=self.drop)
        tenant = program.request.tenant
        if self._count_by_tenant()[tenant] > self._most_of_tenant:
            self._drop_oldest(tenant)
        elif len(self._programs) > self._most:
            self.make_room()

    def take(self, run_id: str) -> HeldProgram | None:
        """Return one that is to go on, and does not wait any more."""
        program = self._programs.pop(run_id, None)
        if program is not None:
            program.stop_waiting()
        return program

    def drop(self, program: HeldProgram) -> None:
        """End one that waits, and has waited for too long or is not wanted any more."""
        if self._programs.pop(program.request.run_id, None) is not None:
            _log.info("run %s waits no more for its tools", program.request.run_id)
            program.give_up()
            self._retire(program.sandbox)

    def drop_by_id(self, run_id: str) -> None:
        """End one that waits, if it does."""
        program = self._programs.get(run_id)
        if program is not None:
            self.drop(program)

    def make_room(self) -> None:
        """End the one that has waited longest, of the tenant who has the most; if there is one.

        For a host that is short of memory: each that waits keeps its sandbox.
        """
        if self._programs:
            tenants = self._count_by_tenant()
            self._drop_oldest(max(tenants, key=lambda each: tenants[each]))

    def close(self) -> None:
        """End all."""
        for program in list(self._programs.values()):
            self.drop(program)

    def _count_by_tenant(self) -> Counter[str]:
        return Counter(each.request.tenant for each in self._programs.values())

    def _drop_oldest(self, tenant: str) -> None:
        oldest = next(each for each in self._programs.values() if each.request.tenant == tenant)
        self.drop(oldest)
