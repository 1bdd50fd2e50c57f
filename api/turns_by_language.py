"""Turns for compiled languages beside those for others, so that neither holds up the other."""

from collections.abc import Collection

from api.turns import QueueLimits, Turns, compiled_window_for, window_for
from executor.messages import is_compiled
from executor.signs_of_life import ExecutorStatus


class TurnsByLanguage:
    """Two orders of turns, each with limits and a window of its own."""

    def __init__(self, limits: QueueLimits) -> None:
        self._compiled = Turns(limits)
        self._others = Turns(limits)

    def of(self, language: str) -> Turns:
        """Return the turns that a run of this language, by its canonical name, takes."""
        return self._compiled if is_compiled(language) else self._others

    @property
    def waiting(self) -> int:
        """How many wait, of whatever language."""
        return self._compiled.waiting + self._others.waiting

    @property
    def oldest_wait_s(self) -> float:
        """How long whoever came first of them has waited; 0 where nobody waits."""
        return max(self._compiled.oldest_wait_s, self._others.oldest_wait_s)

    @property
    def out(self) -> int:
        """How many have a turn, of whatever language."""
        return self._compiled.out + self._others.out

    def widen_for(self, executors: Collection[ExecutorStatus]) -> None:
        """Let out as many as these executors bear."""
        self._compiled.widen(compiled_window_for(executors))
        self._others.widen(window_for(executors))
