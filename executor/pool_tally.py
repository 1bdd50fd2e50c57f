"""What a pool has done since its beginning."""

from typing import NamedTuple


class Tally(NamedTuple):
    """How many sandboxes were made, could not be, and are gone again."""

    made: int
    failed: int
    removed: int
