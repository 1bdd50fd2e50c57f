"""Waits until a service is at rest, so that one measurement does not disturb the next."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import redis
from typing_extensions import override

from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, HEARTBEAT_TTL_S, ExecutorStatus
from tests.bench.processes import at_work
from tests.bench.reports import BenchError

TIMEOUT_S = 90.0
POLL_INTERVAL_S = 0.1
QUIET_LOOKS = 3
"""So many looks in a row at which no waiting sandbox computes: between two steps of
preloading none does for a moment."""

PAUSE_S = 4.0
"""What a service of somebody else's is given: a sandbox is made and preloaded in 3 s."""


class Rest(Protocol):
    """Knows when nothing is left to do."""

    def disturb(self) -> None:
        """Take note that something was asked of the service until now."""
        ...

    def wait(self, *, preloaded: int = 1) -> None:
        """Return once the pool is full again, `preloaded` of it or all, and nothing works.

        Raises:
            BenchError: That takes too long.
        """
        ...


class Pause(Rest):
    """For a service whose inside cannot be seen: lets some seconds pass."""

    def __init__(self) -> None:
        self._rests_at = 0.0

    @override
    def disturb(self) -> None:
        self._rests_at = time.monotonic() + PAUSE_S

    @override
    def wait(self, *, preloaded: int = 1) -> None:
        time.sleep(max(0.0, self._rests_at - time.monotonic()))


class SignsOfLife(Rest):
    """For our own service: asks what its executor says of itself, and the kernel."""

    def __init__(self, result_url: str, *, pool_size: int) -> None:
        self._redis = redis.Redis.from_url(result_url)
        self._pool_size = pool_size
        self._disturbed_at = time.monotonic()

    @override
    def disturb(self) -> None:
        self._disturbed_at = time.monotonic()

    @override
    def wait(self, *, preloaded: int = 1) -> None:
        began_at = time.monotonic()
        quiet = 0
        while quiet < QUIET_LOOKS:
            if time.monotonic() - began_at > TIMEOUT_S:
                raise BenchError(f"not at rest after {TIMEOUT_S:g} s: {self._said()}")
            rests = self._rests(preloaded=preloaded)
            quiet = quiet + 1 if rests and not at_work() else 0
            time.sleep(POLL_INTERVAL_S)

    def _rests(self, *, preloaded: int) -> bool:
        """Whether a sign says so that was given since the service was last disturbed."""
        since_s = time.monotonic() - self._disturbed_at
        statuses = [status for status, age_s in self._signs() if age_s < since_s]
        return bool(statuses) and is_at_rest(
            statuses, pool_size=self._pool_size, preloaded=preloaded
        )

    def _signs(self) -> list[tuple[ExecutorStatus, float]]:
        """Return every executor's last sign of life, and how many seconds old it is."""
        signs: list[tuple[ExecutorStatus, float]] = []
        for key in self._redis.scan_iter(f"{HEARTBEAT_KEY_PREFIX}*", count=1000):
            said = self._redis.get(key)
            left_ms = self._redis.pttl(key)
            if isinstance(said, bytes) and left_ms > 0:
                age_s = HEARTBEAT_TTL_S - left_ms / 1000
                signs.append((ExecutorStatus.model_validate_json(said), age_s))
        return signs

    def _said(self) -> str:
        return "; ".join(status.model_dump_json() for status, _ in self._signs())


def is_at_rest(statuses: Sequence[ExecutorStatus], *, pool_size: int, preloaded: int) -> bool:
    """Say whether every executor has a full pool and nothing to do."""
    return all(
        status.ready_sandboxes >= pool_size
        and status.preloaded_sandboxes >= min(preloaded, pool_size)
        and not status.making_sandboxes
        and not status.removing_sandboxes
        and not status.running
        for status in statuses
    )


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float) -> float:
    """Wait until `condition` holds; return how many seconds that took.

    Raises:
        BenchError: It does not.
    """
    began_at = time.monotonic()
    while not condition():
        if time.monotonic() - began_at > timeout_s:
            raise BenchError(f"after {timeout_s:g} s it is not so that {what}")
        time.sleep(POLL_INTERVAL_S)
    return time.monotonic() - began_at
