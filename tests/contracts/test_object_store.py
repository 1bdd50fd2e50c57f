"""What every `ObjectStore` promises, asked of each adapter in turn.

The S3 adapter is asked twice: on moto, and on a real server (SeaweedFS), which is what
`./code-command up` runs.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from storage.errors import ObjectNotFoundError, ObjectTooLargeError
from storage.ports import ObjectStore, StoredObject
from storage.s3_upload import PART_BYTES

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
SMALL, LARGE = 10, 2 * PART_BYTES
"""Bodies that S3 takes in one request, and in several."""


async def body(data: bytes, *, piece_bytes: int = 100_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), piece_bytes):
        yield data[start : start + piece_bytes]


async def failing_body(size_bytes: int, fault: Exception) -> AsyncGenerator[bytes, None]:
    async for piece in body(b"x" * size_bytes):
        yield piece
    raise fault


async def put(
    store: ObjectStore, key: str, data: bytes, *, max_bytes: int = 100 * MIB
) -> StoredObject:
    return await store.put(key, body(data), max_bytes=max_bytes)


async def read(store: ObjectStore, key: str) -> bytes:
    async with store.open(key) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


def patterned(size_bytes: int) -> bytes:
    """Bytes in which a swapped, doubled or missing part would show."""
    return hashlib.shake_128(b"").digest(size_bytes)


class TestPut:
    @pytest.mark.parametrize(
        "size_bytes",
        [
            pytest.param(0, id="empty"),
            pytest.param(1, id="one byte"),
            pytest.param(PART_BYTES, id="one part"),
            pytest.param(PART_BYTES + 1, id="one part and a byte"),
            pytest.param(12 * MIB + 3, id="three parts"),
        ],
    )
    async def test_what_went_in_comes_out_with_a_true_receipt(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        data = patterned(size_bytes)

        receipt = await put(store, "s/files/plot.png", data)

        assert await read(store, "s/files/plot.png") == data
        assert receipt.key == "s/files/plot.png"
        assert receipt.size_bytes == size_bytes
        assert receipt.sha256 == hashlib.sha256(data).hexdigest()
        assert receipt.etag
        assert '"' not in receipt.etag

    @pytest.mark.parametrize("piece_bytes", [1, 1_000, 200_000])
    async def test_pieces_may_have_any_size(self, store: ObjectStore, piece_bytes: int) -> None:
        data = patterned(200_000)

        await store.put("s/a", body(data, piece_bytes=piece_bytes), max_bytes=MIB)

        assert await read(store, "s/a") == data

    async def test_a_single_piece_may_be_larger_than_a_part(self, store: ObjectStore) -> None:
        data = patterned(LARGE + 1)

        await store.put("s/a", body(data, piece_bytes=len(data)), max_bytes=len(data))

        assert await read(store, "s/a") == data

    @pytest.mark.parametrize("size_bytes", [SMALL, LARGE])
    async def test_a_second_body_replaces_the_first(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        await put(store, "s/a", b"before")
        await put(store, "s/a", b"x" * size_bytes)

        assert await read(store, "s/a") == b"x" * size_bytes

    @pytest.mark.parametrize("size_bytes", [0, SMALL, LARGE])
    async def test_a_body_of_exactly_the_limit_is_kept(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        receipt = await put(store, "s/a", b"x" * size_bytes, max_bytes=size_bytes)

        assert receipt.size_bytes == size_bytes

    @pytest.mark.parametrize("limit", [0, SMALL, LARGE])
    async def test_one_byte_too_many_leaves_the_key_as_it_was(
        self, store: ObjectStore, limit: int
    ) -> None:
        await put(store, "s/a", b"before")

        with pytest.raises(ObjectTooLargeError):
            await put(store, "s/a", b"x" * (limit + 1), max_bytes=limit)

        assert await read(store, "s/a") == b"before"

    async def test_a_body_is_not_read_beyond_the_limit(self, store: ObjectStore) -> None:
        taken = 0

        async def endless() -> AsyncGenerator[bytes, None]:
            nonlocal taken
            while True:
                taken += 1
                yield b"x" * 1_000

        with pytest.raises(ObjectTooLargeError):
            await store.put("s/a", endless(), max_bytes=10_000)

        assert taken == 11

    @pytest.mark.parametrize("size_bytes", [0, SMALL, LARGE])
    @pytest.mark.parametrize("fault", [ConnectionResetError("gone"), FileNotFoundError("gone")])
    async def test_a_failing_body_leaves_the_key_as_it_was_and_its_fault_passes_through(
        self, store: ObjectStore, size_bytes: int, fault: Exception
    ) -> None:
        await put(store, "s/a", b"before")

        with pytest.raises(type(fault)) as raised:
            await store.put("s/a", failing_body(size_bytes, fault), max_bytes=LARGE)

        assert raised.value is fault
        assert await read(store, "s/a") == b"before"

    @pytest.mark.parametrize("size_bytes", [SMALL, LARGE])
    async def test_a_cancelled_put_leaves_the_key_as_it_was(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        await put(store, "s/a", b"before")
        at_the_end = asyncio.Event()

        async def stalling() -> AsyncGenerator[bytes, None]:
            async for piece in body(b"x" * size_bytes):
                yield piece
            at_the_end.set()
            await asyncio.Event().wait()

        putting = asyncio.create_task(store.put("s/a", stalling(), max_bytes=LARGE))
        await at_the_end.wait()
        putting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await putting
        assert await read(store, "s/a") == b"before"

    async def test_a_deadline_inside_the_body_works(self, store: ObjectStore) -> None:
        """Such a deadline must be entered and left in one task."""

        async def late() -> AsyncGenerator[bytes, None]:
            async with asyncio.timeout(0.05):
                yield b"x" * LARGE
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await store.put("s/a", late(), max_bytes=LARGE)

    async def test_puts_at_the_same_time_do_not_mix(self, store: ObjectStore) -> None:
        bodies = {f"s/{n}": bytes([n]) * (LARGE + n if n % 2 else SMALL + n) for n in range(6)}

        await asyncio.gather(*(put(store, key, data) for key, data in bodies.items()))

        for key, data in bodies.items():
            assert await read(store, key) == data

    async def test_of_two_puts_to_one_key_one_wins_whole(self, store: ObjectStore) -> None:
        bodies = [b"a" * LARGE, b"b" * LARGE]

        await asyncio.gather(*(put(store, "s/a", data) for data in bodies))

        assert await read(store, "s/a") in bodies

    async def test_what_is_read_from_one_key_can_be_put_to_another(
        self, store: ObjectStore
    ) -> None:
        await put(store, "s/a", patterned(LARGE))

        async with store.open("s/a") as opened:
            await store.put("s/b", opened.chunks, max_bytes=LARGE)

        assert await read(store, "s/b") == patterned(LARGE)


class TestOpen:
    async def test_a_missing_key_is_named_in_the_error(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFoundError, match="s/404") as raised:
            async with store.open("s/404"):
                pass

        assert raised.value.key == "s/404"

    @pytest.mark.parametrize("size_bytes", [0, SMALL, LARGE])
    async def test_the_size_is_known_before_anything_is_read(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        await put(store, "s/a", b"x" * size_bytes)

        async with store.open("s/a") as opened:
            assert opened.key == "s/a"
            assert opened.size_bytes == size_bytes

    async def test_pieces_are_small(self, store: ObjectStore) -> None:
        await put(store, "s/a", patterned(LARGE))

        async with store.open("s/a") as opened:
            assert max([len(chunk) async for chunk in opened.chunks]) <= 256 * 1024

    async def test_reading_may_stop_early(self, store: ObjectStore) -> None:
        await put(store, "s/a", patterned(LARGE))

        async with store.open("s/a") as opened:
            first = await anext(aiter(opened.chunks))

        assert patterned(LARGE).startswith(first)
        assert await read(store, "s/a") == patterned(LARGE)

    async def test_readers_do_not_disturb_each_other(self, store: ObjectStore) -> None:
        await put(store, "s/a", patterned(LARGE))

        contents = await asyncio.gather(*(read(store, "s/a") for _ in range(4)))

        assert contents == [patterned(LARGE)] * 4

    async def test_what_happens_in_the_block_passes_through(self, store: ObjectStore) -> None:
        """A `FileNotFoundError` of the caller's is not a missing object."""
        await put(store, "s/a", b"abc")

        with pytest.raises(FileNotFoundError, match="of my own"):
            async with store.open("s/a"):
                raise FileNotFoundError("of my own")


class TestRead:
    @pytest.mark.parametrize("size_bytes", [0, SMALL])
    async def test_an_object_of_exactly_the_limit_is_returned(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        await put(store, "s/record.json", b"x" * size_bytes)

        assert await store.read("s/record.json", max_bytes=size_bytes) == b"x" * size_bytes

    async def test_a_larger_one_is_refused(self, store: ObjectStore) -> None:
        await put(store, "s/record.json", b"x" * 11)

        with pytest.raises(ObjectTooLargeError):
            await store.read("s/record.json", max_bytes=10)

    async def test_a_missing_key_is_named_in_the_error(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFoundError, match="s/404"):
            await store.read("s/404", max_bytes=10)


def incremented(content: bytes) -> bytes:
    return str(int(content) + 1).encode()


class TestUpdate:
    async def test_it_replaces_what_was_there(self, store: ObjectStore) -> None:
        await put(store, "s/record.json", b"1")

        await store.update("s/record.json", incremented, max_bytes=10)

        assert await read(store, "s/record.json") == b"2"

    async def test_changes_at_the_same_time_are_all_kept(self, store: ObjectStore) -> None:
        await put(store, "s/record.json", b"0")

        await asyncio.gather(
            *(store.update("s/record.json", incremented, max_bytes=10) for _ in range(8))
        )

        assert await read(store, "s/record.json") == b"8"

    async def test_two_processes_do_not_undo_each_others_changes(
        self, store: ObjectStore
    ) -> None:
        """A put that comes in between, as a session's deletion does, is seen."""
        await put(store, "s/record.json", b"1")

        async def in_between() -> None:
            await put(store, "s/record.json", b"gone")

        interruption: list[asyncio.Task[None]] = []

        def change(content: bytes) -> bytes:
            if content == b"gone":
                raise LookupError
            if not interruption:
                interruption.append(asyncio.ensure_future(in_between()))
            return b"2"

        with suppress(LookupError):
            await store.update("s/record.json", change, max_bytes=10)
        await interruption[0]

        assert await read(store, "s/record.json") == b"gone"

    async def test_a_change_that_raises_leaves_it_as_it_was(self, store: ObjectStore) -> None:
        await put(store, "s/record.json", b"no number")

        with pytest.raises(ValueError, match="no number"):
            await store.update("s/record.json", incremented, max_bytes=10)

        assert await read(store, "s/record.json") == b"no number"

    @pytest.mark.parametrize("content", [b"9", b"10"])
    async def test_neither_the_old_nor_the_new_may_be_too_large(
        self, store: ObjectStore, content: bytes
    ) -> None:
        await put(store, "s/record.json", content)

        with pytest.raises(ObjectTooLargeError):
            await store.update("s/record.json", incremented, max_bytes=1)

        assert await read(store, "s/record.json") == content

    async def test_a_missing_key_is_named_in_the_error(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFoundError, match="s/404"):
            await store.update("s/404", incremented, max_bytes=10)


class TestDelete:
    async def test_one_object_goes_and_its_neighbours_stay(self, store: ObjectStore) -> None:
        for key in ("s/a", "s/a/b", "s/ab"):
            await put(store, key, b"x")

        await store.delete("s/a")

        with pytest.raises(ObjectNotFoundError):
            await read(store, "s/a")
        assert await read(store, "s/a/b") == b"x"
        assert await read(store, "s/ab") == b"x"

    async def test_deleting_nothing_is_not_an_error(self, store: ObjectStore) -> None:
        await store.delete("s/never")


class TestDeletePrefix:
    async def test_more_than_one_page_is_deleted(self, store: ObjectStore) -> None:
        """S3 lists and deletes a thousand keys at a time; a session may hold more."""
        slots = asyncio.Semaphore(32)

        async def put_one(n: int) -> None:
            async with slots:
                await put(store, f"s/{n}", b"x")

        await asyncio.gather(*(put_one(n) for n in range(1_001)))

        assert await store.delete_prefix("s/") == 1_001
        assert await store.delete_prefix("s/") == 0

    async def test_folders_below_are_deleted_too(self, store: ObjectStore) -> None:
        for key in ("t/s/record.json", "t/s/files/a", "t/s/files/b"):
            await put(store, key, b"x")

        assert await store.delete_prefix("t/s/") == 3
        for key in ("t/s/record.json", "t/s/files/a", "t/s/files/b"):
            with pytest.raises(ObjectNotFoundError):
                await read(store, key)

    async def test_a_neighbour_whose_name_begins_the_same_is_kept(
        self, store: ObjectStore
    ) -> None:
        for key in ("t/s1/a", "t/s10/a", "t/s1-", "t/s"):
            await put(store, key, b"x")

        assert await store.delete_prefix("t/s1/") == 1
        for key in ("t/s10/a", "t/s1-", "t/s"):
            assert await read(store, key) == b"x"

    async def test_deleting_nothing_is_not_an_error(self, store: ObjectStore) -> None:
        assert await store.delete_prefix("never/") == 0

    @pytest.mark.parametrize("prefix", ["", "s", "s/a"])
    async def test_a_prefix_that_could_match_a_neighbour_is_refused(
        self, store: ObjectStore, prefix: str
    ) -> None:
        await put(store, "s/a", b"x")

        with pytest.raises(ValueError, match="does not end"):
            await store.delete_prefix(prefix)

        assert await read(store, "s/a") == b"x"


class TestCheck:
    async def test_a_store_that_works_passes(self, store: ObjectStore) -> None:
        await store.check()
