"""Frames from a hostile sandbox: arbitrary bytes in arbitrary pieces, and what is held."""

import asyncio
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.frame_stream import FRAMES_WITHOUT_PAUSE, FrameStream
from executor.sandbox import SandboxLostError
from sandbox.supervisor.frames import (
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameDecoder,
    FrameError,
    Kind,
    encode,
)
from tests.executor.memory_stream import MemoryStream
from tests.fuzz.mutations import mutated, pieces_of
from tests.fuzz.plain_readings import Reading, read_frames
from tests.fuzz.targets import finished

MIB = 1024 * 1024
READ_BYTES = MIB
"""What comes from a sandbox at once, at most (`executor.socket_stream`)."""

FRAMES = st.lists(
    st.builds(encode, st.sampled_from(Kind), st.binary(max_size=300)), max_size=8
).map(b"".join)
STREAMS = FRAMES | mutated(FRAMES) | st.binary(max_size=500)


def plainly(pieces: list[bytes]) -> Reading:
    return read_frames(b"".join(pieces), kinds=set(Kind), max_payload_bytes=MAX_PAYLOAD_BYTES)


@given(pieces=pieces_of(STREAMS))
def test_however_a_stream_is_cut_its_frames_are_the_same(pieces: list[bytes]) -> None:
    expected = plainly(pieces)
    decoder = FrameDecoder()
    received: list[Frame] = []

    def feed() -> None:
        for piece in pieces:
            received.extend(decoder.feed(piece))

    if expected.is_broken:
        with pytest.raises(FrameError):
            feed()
    else:
        feed()
        assert decoder.pending == bool(expected.rest)
    assert received == expected.frames


@given(pieces=pieces_of(STREAMS))
def test_an_executor_sees_those_frames_and_then_that_the_sandbox_is_lost(
    pieces: list[bytes],
) -> None:
    expected = plainly(pieces)
    said = MemoryStream()
    said.says(*(piece for piece in pieces if piece))
    said.ends()
    stream = FrameStream(said)

    received = [finished(stream.next_frame()) for _ in expected.frames]

    assert received == expected.frames
    with pytest.raises(SandboxLostError):
        finished(stream.next_frame())


@given(announced=st.integers(0, 2**32 - 1), kind=st.sampled_from(Kind))
def test_what_is_announced_is_not_held_before_it_is_there(announced: int, kind: Kind) -> None:
    decoder = FrameDecoder()
    head = bytes([kind]) + announced.to_bytes(4)

    with memory() as peak_bytes:
        if announced > MAX_PAYLOAD_BYTES:
            with pytest.raises(FrameError):
                list(decoder.feed(head))
        else:
            assert list(decoder.feed(head)) == ([(kind, b"")] if announced == 0 else [])
        assert peak_bytes() < 64 * 1024


def test_a_frame_that_comes_byte_by_byte_is_held_once() -> None:
    decoder = FrameDecoder()
    frame = encode(Kind.DATA, bytes(MIB // 4))

    with memory() as peak_bytes:
        received = [one for byte in frame for one in decoder.feed(bytes([byte]))]

        assert received == [(Kind.DATA, bytes(MIB // 4))]
        assert peak_bytes() < 4 * MIB // 4


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "of-a-byte"])
def test_many_tiny_frames_are_not_turned_into_objects_before_they_are_asked_for(
    payload: bytes,
) -> None:
    """A megabyte of empty frames would be 200,000 objects, 17 times as large."""
    frame = encode(Kind.STDOUT, payload)
    count = READ_BYTES // len(frame)
    said = MemoryStream()
    said.says(frame * count)
    said.ends()
    stream = FrameStream(said)

    with memory() as peak_bytes:
        for _ in range(count):
            assert finished(stream.next_frame()) == (Kind.STDOUT, payload)
        assert peak_bytes() < 3 * READ_BYTES


@pytest.mark.anyio
async def test_a_flood_of_tiny_frames_does_not_keep_other_runs_from_going_on() -> None:
    count, turns = 10_000, 0
    said = MemoryStream()
    said.says(encode(Kind.STDOUT) * count)
    stream = FrameStream(said)

    async def another_run() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(another_run())
    for _ in range(count):
        await stream.next_frame()
    other.cancel()

    assert turns >= count // FRAMES_WITHOUT_PAUSE - 1


@contextmanager
def memory() -> Generator[Callable[[], int]]:
    """Give what was held at most since the block began."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
