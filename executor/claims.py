"""What a sandbox says, checked: every byte that comes out of one is a claim, not a fact."""

import unicodedata
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from executor.messages import Stopped
from executor.sandbox import RunLimits, SandboxLostError
from sandbox.supervisor.frames import PROTOCOL_VERSION, Frame
from sandbox.supervisor.programmatic.channel import (
    MAX_CALLS,
    MAX_INPUT_BYTES,
    MAX_NAME_BYTES,
)
from sandbox.supervisor.skips import MAX_NAMED_SKIPS, Skipped, SkipReason, is_presentable

MAX_INPUTS = 256
MAX_PATH_CHARS = 256
MAX_MODULES = 100
MAX_SKIPPED = 1_000_000
"""Far above what a workspace can hold (`executor.policy.MAX_INODES`)."""


def _canonical(name: str) -> str:
    parts = name.split("/")
    if not name or any(part in {"", ".", ".."} for part in parts) or not is_presentable(name):
        raise ValueError("not a canonical relative path")
    return name


def printable(text: str) -> str:
    """Return `text` with everything that is no visible character escaped.

    For names that are shown but never used as paths.
    """
    return "".join(
        character
        if unicodedata.category(character)[0] != "C"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def _known_reason(word: object) -> object:
    """Return a word of a supervisor that is older or newer than we as one that we know."""
    return word if not isinstance(word, str) or word in set(SkipReason) else SkipReason.OTHER


Reason = Annotated[SkipReason, BeforeValidator(_known_reason)]
Name = Annotated[str, Field(max_length=MAX_PATH_CHARS), AfterValidator(_canonical)]
Shown = Annotated[str, Field(max_length=6 * MAX_PATH_CHARS), AfterValidator(printable)]


class _Claim(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class HelloClaim(_Claim):
    """The first frame: a supervisor that speaks our protocol."""

    protocol: Literal[4]


class PreloadedClaim(_Claim):
    """The modules that it holds now."""

    modules: tuple[Shown, ...] = Field(max_length=MAX_MODULES, strict=False)


class EndedClaim(_Claim):
    """How the program ended."""

    exit_code: int | None = Field(ge=0, le=255)
    signal: str | None = Field(pattern=r"^SIG[A-Z0-9+-]{1,12}$")
    stopped: Literal["time", "stdout", "memory", "calls", "call_bytes"] | None
    wall_time_ms: int = Field(ge=0, le=24 * 3600 * 1000)
    stderr_cut: bool


class CallClaim(_Claim):
    """A call of a tool; its input is about to follow."""

    number: int = Field(ge=1, le=MAX_CALLS)
    tool: str = Field(max_length=MAX_NAME_BYTES)
    size: int = Field(ge=0, le=MAX_INPUT_BYTES)


class WaitingClaim(_Claim):
    """The program waits for its calls."""

    pending: tuple[int, ...] = Field(min_length=1, max_length=MAX_CALLS, strict=False)


class OutputClaim(_Claim):
    """An output file is about to follow."""

    name: Name
    size: int = Field(ge=0)

    @property
    def depth(self) -> int:
        """Levels of the path."""
        return len(PurePosixPath(self.name).parts)

    @property
    def folders(self) -> set[str]:
        """The folders that the file lies in."""
        return {str(folder) for folder in PurePosixPath(self.name).parents} - {"."}


class AnnouncedOutputs:
    """The output files of one run so far: together they must fit into one workspace."""

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self._names: set[str] = set()
        self._folders: set[str] = set()
        self._total_bytes = 0

    def add(self, claim: OutputClaim) -> None:
        """Note one more.

        Raises:
            SandboxLostError: It exceeds the limits, or cannot lie beside the others.
        """
        self._total_bytes += claim.size
        if (
            len(self._names) == self._limits.files
            or claim.size > self._limits.file_bytes
            or self._total_bytes > self._limits.total_bytes
            or claim.depth > self._limits.depth
            or claim.name in self._names | self._folders
            or claim.folders & self._names
        ):
            raise SandboxLostError("the sandbox announced what no workspace can hold")
        self._names.add(claim.name)
        self._folders |= claim.folders


class SummaryClaim(_Claim):
    """What became of the other files."""

    unchanged: tuple[Name, ...] = Field(max_length=MAX_INPUTS, strict=False)
    deleted: tuple[Name, ...] = Field(max_length=MAX_INPUTS, strict=False)
    skipped: tuple[tuple[Shown, Reason], ...] = Field(max_length=MAX_NAMED_SKIPS, strict=False)
    skipped_count: int = Field(ge=0, le=MAX_SKIPPED)
    skip_counts: dict[Reason, Annotated[int, Field(ge=0, le=MAX_SKIPPED)]] = {}

    def skipped_files(self) -> tuple[Skipped, ...]:
        """Return the named ones."""
        return tuple(Skipped(name, reason) for name, reason in self.skipped)

    def counts(self) -> dict[SkipReason, int]:
        """Return how many there are for each reason; at least as many as are counted."""
        counts = dict(self.skip_counts)
        untold = self.skipped_count - sum(counts.values())
        if untold > 0:
            counts[SkipReason.OTHER] = counts.get(SkipReason.OTHER, 0) + untold
        return counts


class SnapshotClaim(_Claim):
    """What became of a workspace that is to be kept; if it has changed, it follows."""

    outcome: Literal["changed", "unchanged", "too_large", "too_many", "unreadable"]
    size: int = Field(ge=0)
    restored: bool
    discarded: bool


class RefusedClaim(_Claim):
    """The inputs did not fit."""

    reason: Shown


STOPPED = {
    "time": Stopped.TIME,
    "stdout": Stopped.STDOUT,
    "memory": Stopped.MEMORY,
    "calls": Stopped.CALLS,
    "call_bytes": Stopped.CALL_BYTES,
}

ClaimT = TypeVar("ClaimT", bound=_Claim)


def read_claim(model: type[ClaimT], frame: Frame) -> ClaimT:
    """Validate a control frame.

    Raises:
        SandboxLostError: No supervisor of protocol `PROTOCOL_VERSION` says this.
    """
    try:
        return model.model_validate_json(frame.payload)
    except ValidationError as fault:
        raise SandboxLostError(
            f"{frame.kind.name} is not of protocol {PROTOCOL_VERSION}"
        ) from fault
