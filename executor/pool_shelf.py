"""The sandboxes that wait, in the order in which they came."""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from executor.pool_demand import Group
from executor.sandbox import Sandbox


class State(Enum):
    """How much a waiting sandbox has done."""

    BARE = auto()
    """It answers at once, and has imported nothing."""
    PRELOADING = auto()
    """It answers when the import under way is finished."""
    PRELOADED = auto()


PREFERENCES = {
    # A bare one before one that is preloading: it does not finish an import first, which may
    # well be of something that the program does not want.
    Group.PYTHON: (State.PRELOADED, State.BARE, State.PRELOADING),
    Group.OTHER: (State.BARE, State.PRELOADED, State.PRELOADING),
}


@dataclass(slots=True, eq=False)
class Waiting:
    """One of them."""

    sandbox: Sandbox
    preload: asyncio.Task[None] | None = None
    """Set once it was begun: a sandbox preloads once."""
    broken: bool = False
    """Whether it failed in that."""

    @property
    def usable(self) -> bool:
        """Whether a program can have it, as far as is known without asking."""
        return self.sandbox.alive and not self.broken

    @property
    def state(self) -> State:
        """How much it has done so far."""
        if self.sandbox.preloaded:
            return State.PRELOADED
        return State.BARE if self.preload is None else State.PRELOADING


class Shelf:
    """Holds them until they are taken, each one once."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def count(self, state: State) -> int:
        """Return how many there are of one kind."""
        return sum(waiting.state is state for waiting in self._waiting)

    def put(self, sandbox: Sandbox) -> None:
        """Add a new one."""
        self._waiting.append(Waiting(sandbox))

    def take(self, group: Group, *, but: int = 0) -> Waiting | None:
        """Remove and return the one that is best for `group`, the oldest of its kind.

        None if no more than `but` are there.

        The oldest, because preloading used its processor time up; by now it has some again.
        """
        if len(self) <= but:
            return None
        for state in PREFERENCES[group]:
            waiting = self.oldest(state)
            if waiting is not None:
                self._waiting.remove(waiting)
                return waiting
        return None

    def oldest(self, state: State) -> Waiting | None:
        """Return one of a kind, and leave it where it is."""
        return next((each for each in self._waiting if each.state is state), None)

    def remove_dead(self) -> list[Waiting]:
        """Remove and return those that no program can have."""
        dead = [waiting for waiting in self._waiting if not waiting.usable]
        self._waiting = [waiting for waiting in self._waiting if waiting.usable]
        return dead

    def remove_oldest(self, *, but: int) -> list[Waiting]:
        """Remove and return all but the `but` newest."""
        cut = max(0, len(self._waiting) - but)
        removed, self._waiting = self._waiting[:cut], self._waiting[cut:]
        return removed
