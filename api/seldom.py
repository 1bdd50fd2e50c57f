"""Keeps a fault that every request meets from filling the log."""

import time

PAUSE_S = 60.0
MAX_SUBJECTS = 1000


class Seldom:
    """Tells when a subject was last spoken of."""

    def __init__(self) -> None:
        self._said_at: dict[str, float] = {}

    def is_due(self, subject: str) -> bool:
        """Whether `subject` may be spoken of now; if so, it may not for a minute.

        Beyond `MAX_SUBJECTS` everything is forgotten, so that some is said again too early
        rather than memory taken.
        """
        now = time.monotonic()
        said_at = self._said_at.get(subject)
        if said_at is not None and now - said_at < PAUSE_S:
            return False
        if len(self._said_at) >= MAX_SUBJECTS:
            self._said_at.clear()
        self._said_at[subject] = now
        return True
