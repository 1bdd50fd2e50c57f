"""Saved workspaces in an object store: whose, and for how long."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from storage.errors import ObjectTooLargeError
from storage.memory import MemoryObjectStore
from storage.states import States, state_name

pytestmark = pytest.mark.anyio

NAME = state_name(user="ann", user_is_proven=False, hint="h")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shelf:
    """States in memory, and the clock that they go by."""

    def __init__(self) -> None:
        self.store = MemoryObjectStore()
        self.clock = Clock()
        self.states = States(self.store, max_age=timedelta(hours=24), clock=self.clock)

    async def save(self, content: bytes, *, tenant: str = "t", max_bytes: int = 100) -> None:
        await self.states.save(tenant, NAME, pieces(content), max_bytes=max_bytes)

    async def read(self, *, tenant: str = "t", name: str = NAME) -> bytes | None:
        async with self.states.open(tenant, name) as chunks:
            return None if chunks is None else b"".join([chunk async for chunk in chunks])


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    with BytesIO(content) as file:
        while piece := file.read(7):
            yield piece


@pytest.mark.parametrize("content", [b"", b"x", b"\n{}\n" * 20])
async def test_what_is_saved_is_read(content: bytes) -> None:
    shelf = Shelf()

    assert await shelf.read() is None
    await shelf.save(b"former")
    await shelf.save(content)

    assert await shelf.read() == content


async def test_one_of_another_tenant_or_name_is_another() -> None:
    shelf = Shelf()
    await shelf.save(b"1")

    assert await shelf.read(tenant="u") is None
    other = state_name(user="ann", user_is_proven=True, hint="h")
    assert await shelf.read(name=other) is None


def test_names_differ_by_user_hint_and_how_the_user_is_known() -> None:
    names = {
        state_name(user=user, user_is_proven=is_proven, hint=hint)
        for user in ("a", "a\0b", "\ud800")
        for hint in ("b", "c")
        for is_proven in (False, True)
    }

    assert len(names) == 12


async def test_one_expires_by_the_time_at_which_it_was_saved() -> None:
    shelf = Shelf()
    await shelf.save(b"1")

    shelf.clock.now += timedelta(hours=24) - timedelta(seconds=1)
    assert await shelf.read() == b"1"
    shelf.clock.now += timedelta(seconds=1)
    assert await shelf.read() is None


async def test_one_that_is_too_large_leaves_the_former_one() -> None:
    shelf = Shelf()
    await shelf.save(b"x" * 100)

    with pytest.raises(ObjectTooLargeError):
        await shelf.save(b"x" * 101)

    assert await shelf.read() == b"x" * 100


@pytest.mark.parametrize(
    "content", [b"", b"no line", b"{}\nrest", b"x" * 5000, json.dumps({"saved_at": 1}).encode()]
)
async def test_what_has_no_head_of_ours_is_nothing(content: bytes) -> None:
    shelf = Shelf()
    await shelf.store.put(f"t/states/{NAME}", pieces(content), max_bytes=10_000)

    assert await shelf.read() is None


@pytest.mark.parametrize(
    ("tenant", "name"), [("../t", NAME), ("t", "../" + NAME), ("t", "x" * 64), ("t", "")]
)
async def test_a_key_cannot_lead_elsewhere(tenant: str, name: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        await Shelf().read(tenant=tenant, name=name)
