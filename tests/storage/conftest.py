"""Sessions in memory, whose time a test moves on."""

from datetime import timedelta

import pytest

from storage.sessions import Sessions
from tests.storage.session_steps import Clock, CrashingStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> CrashingStore:
    return CrashingStore()


@pytest.fixture
def sessions(store: CrashingStore, clock: Clock) -> Sessions:
    """Sessions that are served for 24 hours."""
    return Sessions(store, max_age=timedelta(hours=24), clock=clock)
