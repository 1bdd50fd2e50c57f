"""What is not kept of a workspace, and why: the words that supervisor and executor share."""

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum

from .lean_typing import NamedTuple

MAX_NAMED_SKIPS = 20
"""As many as the contract's `artifact_truncation` names (librechat-contract 2.2)."""


class SkipReason(StrEnum):
    """Why something was left behind. Clients read the values: they never change."""

    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_FILES = "too_many_files"
    TOTAL_SIZE = "total_size"
    PATH_TOO_LONG = "path_too_long"
    """Too many characters, or too many levels."""
    UNSAFE_NAME = "unsafe_name"
    """A name that could not be sent back as an input's: see `is_presentable`."""
    EXTENSION_NOT_KEPT = "extension_not_kept"
    READ_ONLY_INPUT = "read_only_input"
    """A change of an input that stays as it was uploaded."""
    UNREADABLE = "unreadable"
    TOO_MANY_ENTRIES = "too_many_entries"
    """The rest of a workspace that holds more than is looked at."""
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    """A link, a pipe, a socket or a device."""
    HIDDEN_DIRECTORY = "hidden_directory"
    """A whole folder such as `.cache/`, counted once."""
    EMPTY_DIRECTORY = "empty_directory"
    """One that lies too deep, or beyond the most entries, to be remembered."""
    NOT_LISTED = "not_listed"
    """An input that is as it was, but has no place among the most files of an answer."""
    OTHER = "other"
    """A word of a supervisor older or newer than the executor."""


HARMLESS = frozenset(
    {
        SkipReason.NOT_A_REGULAR_FILE,
        SkipReason.HIDDEN_DIRECTORY,
        SkipReason.EMPTY_DIRECTORY,
        SkipReason.NOT_LISTED,
    }
)
"""What tools leave in passing, or what is not lost. The others are contents that somebody
would miss, and are named first."""


class Skipped(NamedTuple):
    """Something that is not kept, and why."""

    name: str
    reason: SkipReason


class Skips:
    """Counts everything that is not kept, and names some of it: at most `MAX_NAMED_SKIPS`."""

    def __init__(
        self,
        named: Iterable[Skipped] = (),
        counts: Mapping[SkipReason, int] | None = None,
    ) -> None:
        self._missed: list[Skipped] = []
        self._harmless: list[Skipped] = []
        for skipped in named:
            self._name(skipped)
        self.counts: dict[SkipReason, int] = dict(counts or {})

    def add(self, name: str, reason: SkipReason) -> None:
        """Count one more, and name it where there is room."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self._name(Skipped(name, reason))

    def _name(self, skipped: Skipped) -> None:
        names = self._harmless if skipped.reason in HARMLESS else self._missed
        if len(names) < MAX_NAMED_SKIPS:
            names.append(skipped)

    @property
    def named(self) -> list[Skipped]:
        """Those that are named: what would be missed first, otherwise in order."""
        return [*self._missed, *self._harmless][:MAX_NAMED_SKIPS]

    @property
    def total(self) -> int:
        """How many there are, named or not."""
        return sum(self.counts.values())

    @property
    def missed(self) -> int:
        """How many of them somebody would miss."""
        return sum(count for reason, count in self.counts.items() if reason not in HARMLESS)


def is_presentable(name: str) -> bool:
    """Whether a name can be shown and sent back without harm.

    Control characters forge log lines and headers, bidirectional overrides (U+202A-202E,
    U+2066-2069) disguise endings (CVE-2021-42574), lone surrogates are invalid UTF-8.
    """
    return not any(
        character == "\\"
        or unicodedata.category(character) in {"Cc", "Cs"}
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
        for character in name
    )
