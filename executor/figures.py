"""What an executor counts, for `/metrics` of the API: it has no HTTP server of its own.

The counts go out with its sign of life. An executor holds the engine's socket, so it listens
nowhere; a port for Prometheus alone would be the first.
"""

from typing import Annotated

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
