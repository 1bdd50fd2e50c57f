"""What a program leaves behind in its sandbox, as it is read out of it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sandbox.supervisor.skips import Skipped, SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A new or changed file, being read out of the sandbox."""

    name: str
    """A canonical relative path: already validated."""
    size_bytes: int
    chunks: AsyncIterator[bytes]
    """Exactly `size_bytes`, to be read before the next file is asked for. Raises
    `SandboxLostError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What became of the other files."""

    unchanged: frozenset[str]
    deleted: frozenset[str]
    skipped: tuple[Skipped, ...]
    """Some of those that are not kept: at most `MAX_NAMED_SKIPS`."""
    skip_counts: Mapping[SkipReason, int] = field(default_factory=dict[SkipReason, int])
    """All of them."""

    @property
    def skipped_count(self) -> int:
        """How many files are not kept."""
        return sum(self.skip_counts.values())


class SnapshotOutcome(StrEnum):
    """What became of a workspace that is to be kept."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """It is as it was restored."""
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    """Files, folders and links."""
    UNREADABLE = "unreadable"
    LOST = "lost"
    """With its sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A workspace after a run."""

    outcome: SnapshotOutcome
    restored: bool = False
    """Whether the program found that of an earlier run."""
    discarded: bool = False
    """Whether there was one that could not be restored: what was stored is none."""
    size_bytes: int = 0
    chunks: AsyncIterator[bytes] | None = None
    """Exactly `size_bytes`, where it has changed: for another sandbox of the same user's, and
    for nobody else to unpack. Raises `SandboxLostError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTerms:
    """How a workspace is kept from one run to the next."""

    max_bytes: int
    """A larger one is not."""
    variables: bool = False
    """Whether the variables of Python programs are kept with it."""
