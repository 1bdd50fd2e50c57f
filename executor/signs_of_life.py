"""An executor's sign of life, in Redis: how it fares, and what it counts for the metrics.

An executor holds the engine's socket, so it listens nowhere; a port for Prometheus alone would
be the first.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class ExecutorFigures(BaseModel):
    """Counts since the executor's start. An older executor tells none."""

    model_config = ConfigDict(frozen=True)

    sandboxes_made: Count = 0
    sandboxes_failed: Count = 0
    """Those that could not be made."""
    sandboxes_removed: Count = 0
    """Those that were destroyed, or left to the next clean-up."""
    leftovers_removed: Count = 0
    """What an earlier life, or a removal that failed, had left."""
    storage_errors: Count = 0
    """Calls that object storage failed at."""
    broker_errors: Count = 0
    """Signs of life and reports that could not be written at once."""


class ExecutorStatus(BaseModel):
    """An executor's sign of life, kept in Redis for a few seconds (see `HEARTBEAT_*`)."""

    model_config = ConfigDict(frozen=True)

    instance_id: str
    """Also the Celery node's host part, `executor@<instance_id>`: new at every start."""
    host: str
    engine: Literal["up", "down"]
    """Whether the container engine answers."""
    accepting: bool = True
    """Whether it takes new runs: not while it ends, lacks memory or disk, or makes no
    sandboxes."""
    detail: str = ""
    """What is wrong, for an operator. Never sent to a client."""
    image_version: str = ""
    """What its sandbox image says (`executor.image_version`); empty: nothing, or not yet."""
    ready_sandboxes: int
    """Those that wait, in whatever state."""
    preloaded_sandboxes: int = 0
    """Of those."""
    making_sandboxes: int = 0
    removing_sandboxes: int = 0
    """Used ones that are not gone yet."""
    left_sandboxes: Count = 0
    """Those that could not be destroyed. It is tried again."""
    running: int
    held_sandboxes: int = 0
    """Programs that wait for tools."""
    capacity: int
    spare_capacity: Count = 0
    """More, for those that are `RunRequest.is_spare`. An older executor has none."""
    figures: ExecutorFigures = ExecutorFigures()

    @property
    def name(self) -> str:
        """`instance_id` without what is new at every start: `CODE_EXECUTOR_ID`."""
        return self.instance_id[:-INSTANCE_SUFFIX_CHARS] or self.instance_id


INSTANCE_SUFFIX_CHARS = 9
"""A hyphen and eight random characters."""

HEARTBEAT_KEY_PREFIX = "code-command:executor:"
HEARTBEAT_INTERVAL_S = 2.0
HEARTBEAT_TTL_S = 7
"""Three missed beats: an executor that was killed is known to be gone after this."""
