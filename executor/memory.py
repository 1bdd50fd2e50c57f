"""How much memory a run gets: what its caller's key or plan says, else the operator's rules."""

import re
from dataclasses import dataclass

from executor.messages import MemoryClass, RunRequest
from executor.settings import ExecutorSettings, listed
from sandbox.supervisor.languages import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRules:
    """Which runs get the memory class `large`, and how much that is."""

    large_bytes: int
    """For the programs of a large run; the workspace is not counted."""
    grows: bool
    """Whether `large` is more than what every sandbox has anyway."""
    languages: frozenset[str] = frozenset()
    """Canonical languages whose runs are large by default."""
    words: re.Pattern[str] | None = None
    """Runs whose program, or one of whose inputs' names, has such a word are large too."""

    @classmethod
    def from_settings(cls, settings: ExecutorSettings) -> "MemoryRules":
        """Read the rules: an item of the list is a language if there is one of this name."""
        items = listed(settings.large_memory_for)
        words = "|".join(re.escape(item) for item in items if item not in LANGUAGES)
        return cls(
            large_bytes=settings.large_memory_bytes,
            grows=settings.large_memory_bytes > settings.memory_limit,
            languages=frozenset(item for item in items if item in LANGUAGES),
            words=re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None,
        )

    def class_of(self, request: RunRequest) -> MemoryClass:
        """Return the class of one run. What the caller has been given decides before rules.

        The names of inputs count since programs are often called through scripts: a skill
        that brings `office/soffice.py` is going to start it.
        """
        if request.memory_class is not None:
            return request.memory_class
        if request.language in self.languages or self._has_a_word(request):
            return MemoryClass.LARGE
        return MemoryClass.STANDARD

    def _has_a_word(self, request: RunRequest) -> bool:
        if self.words is None:
            return False
        texts = (request.code, *(entry.name for entry in request.inputs))
        return any(self.words.search(text) for text in texts)
