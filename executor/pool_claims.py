"""Programs that wait for a sandbox: first come, first served, and spare runs before others."""

import asyncio
from collections import deque
from collections.abc import Callable

from executor.sandbox import Sandbox


class Claims:
    """A queue that loses no sandbox, however its claims end."""

    def __init__(self, *, undelivered: Callable[[Sandbox], None]) -> None:
        """Begin with nobody.

        Args:
            undelivered: Gets a sandbox that was given to a claim which was cancelled before it
                heard of it. Nobody else has had it.
        """
        self._undelivered = undelivered
        self._first: deque[asyncio.Future[Sandbox]] = deque()
        self._others: deque[asyncio.Future[Sandbox]] = deque()
        self._lines = (self._first, self._others)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._first) + len(self._others)

    @property
    def has_first(self) -> bool:
        """Whether any of them goes before others."""
        return bool(self._first)

    def join(self, *, is_first: bool) -> "asyncio.Future[Sandbox]":
        """Get in line: `is_first`, before those who are not."""
        claim: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        (self._first if is_first else self._others).append(claim)
        return claim

    async def wait(self, claim: "asyncio.Future[Sandbox]") -> Sandbox:
        """Return what the claim gets. Raises what it was failed with."""
        try:
            return await claim
        except asyncio.CancelledError:
            line = next((line for line in self._lines if claim in line), None)
            if line is not None:
                line.remove(claim)
            elif not claim.cancelled() and claim.exception() is None:
                self._undelivered(claim.result())
            raise

    def give(self, sandbox: Sandbox) -> bool:
        """Hand it to who has waited longest; return whether anybody did."""
        claim = self._next()
        if claim is not None:
            claim.set_result(sandbox)
        return claim is not None

    def fail(self, fault: Exception) -> bool:
        """Raise `fault` for who has waited longest; return whether anybody did."""
        claim = self._next()
        if claim is not None:
            claim.set_exception(fault)
        return claim is not None

    def _next(self) -> "asyncio.Future[Sandbox] | None":
        for line in self._lines:
            while line:
                claim = line.popleft()
                if not claim.done():  # A cancelled one may not have heard of it yet.
                    return claim
        return None
