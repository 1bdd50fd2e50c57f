"""What a failed upload has left is removed once object storage answers."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from api import unwanted
from api.unwanted import remove_later
from storage.ids import new_id
from storage.sessions import Sessions
from tests.executor.eventually import eventually
from tests.executor.workbench import WatchedStore

pytestmark = pytest.mark.anyio


async def body() -> AsyncIterator[bytes]:
    yield b"1"


async def test_it_is_tried_again_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwanted, "PAUSES_S", (0.0, *[0.01] * 1000))
    store = WatchedStore()
    sessions = Sessions(store, max_age=timedelta(hours=1))
    session_id = new_id()
    await sessions.store_file(
        "tenant", session_id, name="a", body=body(), content_type="text/plain", max_bytes=1
    )
    store.deleting_faults = True

    remove_later(sessions, "tenant", session_id)
    await eventually(lambda: [call for call, _ in store.calls].count("delete_prefix") > 2)
    assert len(store.keys) == 1
    store.deleting_faults = False

    await eventually(lambda: store.keys == set())
