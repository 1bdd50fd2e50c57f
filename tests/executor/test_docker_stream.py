"""The engine's attach connection, spoken over a real pair of sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from executor.docker_stream import READ_AHEAD_BYTES, AttachedStream
from executor.sandbox import SandboxUnavailableError

pytestmark = pytest.mark.anyio

STDOUT, STDERR = 1, 2


def piece(stream: int, data: bytes) -> bytes:
    """What the engine puts on the wire (Engine API, "Attach to a container")."""
    return struct.pack("!BxxxI", stream, len(data)) + data


class Attached:
    """What docker-py's `attach_socket` returns: an object around the real socket."""

    def __init__(self, inner: object) -> None:
        self._sock = inner
        self.closed = False

    def close(self) -> None:
        self.closed = True
        if isinstance(self._sock, socket.socket):
            self._sock.close()


class Wire:
    """Both ends of a connection: ours as a stream, the engine's as a socket."""

    def __init__(self, stream: AttachedStream, engine: socket.socket) -> None:
        self.stream = stream
        self.engine = engine

    async def engine_sends(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.engine, data)

    async def read_all(self) -> bytes:
        pieces: list[bytes] = []
        while data := await self.stream.read():
            pieces.append(data)
        return b"".join(pieces)


@pytest.fixture
async def wire() -> AsyncGenerator[Wire]:
    ours, engine = socket.socketpair()
    engine.setblocking(False)  # noqa: FBT003 - the library's own parameter
    stream = await AttachedStream.over_attached(Attached(ours))
    with engine:
        yield Wire(stream, engine)
        with suppress(OSError):
            await stream.close()


async def test_pieces_become_one_stream_of_bytes(wire: Wire) -> None:
    await wire.engine_sends(piece(STDOUT, b"ab") + piece(STDOUT, b"") + piece(STDOUT, b"cde"))
    wire.engine.close()

    assert await wire.read_all() == b"abcde"


async def test_they_may_arrive_byte_by_byte(wire: Wire) -> None:
    reading = asyncio.create_task(wire.read_all())
    for byte in piece(STDOUT, b"abc") + piece(STDOUT, b"d"):
        await wire.engine_sends(bytes([byte]))
        await asyncio.sleep(0)
    wire.engine.close()

    assert await reading == b"abcd"


async def test_what_is_not_standard_output_is_left_out(wire: Wire) -> None:
    await wire.engine_sends(
        piece(STDERR, b"Traceback") + piece(STDOUT, b"frames") + piece(0, b"?")
    )
    wire.engine.close()

    assert await wire.read_all() == b"frames"


async def test_a_connection_cut_inside_a_piece_ends(wire: Wire) -> None:
    await wire.engine_sends(piece(STDOUT, b"abcdef")[:-3])
    wire.engine.close()

    assert await wire.read_all() == b"abc"
    assert wire.stream.at_end()


@pytest.mark.parametrize("left_out", [b"\1\0\0", piece(STDERR, b"abc")[:-1]])
async def test_a_connection_cut_elsewhere_ends_too(wire: Wire, left_out: bytes) -> None:
    await wire.engine_sends(left_out)
    wire.engine.close()

    assert await wire.read_all() == b""


async def test_a_piece_that_claims_four_gigabytes_is_not_waited_for(wire: Wire) -> None:
    await wire.engine_sends(struct.pack("!BxxxI", STDOUT, 2**32 - 1) + b"abc")

    assert await wire.stream.read() == b"abc"


async def test_no_more_than_so_much_is_read_ahead(wire: Wire) -> None:
    """A sandbox that floods us is slowed down by its own pipe, not kept in our memory."""
    flood = piece(STDOUT, bytes(32 * READ_AHEAD_BYTES))
    sending = asyncio.create_task(wire.engine_sends(flood))
    await asyncio.wait([sending], timeout=0.3)
    assert not sending.done()

    taken = 0
    while taken < 32 * READ_AHEAD_BYTES:
        data = await wire.stream.read()
        assert 0 < len(data) <= READ_AHEAD_BYTES
        taken += len(data)
    await sending


async def test_what_is_written_arrives(wire: Wire) -> None:
    await wire.stream.write(b"frame")

    assert await asyncio.get_running_loop().sock_recv(wire.engine, 100) == b"frame"


async def test_writing_waits_while_the_other_side_is_slow(wire: Wire) -> None:
    writing = asyncio.create_task(wire.stream.write(bytes(8 * 1024 * 1024)))
    await asyncio.wait([writing], timeout=0.2)
    assert not writing.done()

    loop = asyncio.get_running_loop()
    while not writing.done():
        await loop.sock_recv(wire.engine, 1024 * 1024)
    await writing


async def test_writing_to_a_connection_that_is_gone_fails(wire: Wire) -> None:
    wire.engine.close()

    async def keep_writing() -> None:
        while True:
            await wire.stream.write(bytes(100_000))

    with pytest.raises(ConnectionError):
        await keep_writing()


async def test_the_end_is_noticed_without_reading(wire: Wire) -> None:
    assert not wire.stream.at_end()

    wire.engine.close()

    async with asyncio.timeout(5):
        while not wire.stream.at_end():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)


async def test_it_may_be_closed_twice(wire: Wire) -> None:
    await wire.stream.close()
    await wire.stream.close()

    assert wire.stream.at_end()


async def test_the_librarys_object_is_let_go_of() -> None:
    ours, engine = socket.socketpair()
    attached = Attached(ours)

    with engine:
        stream = await AttachedStream.over_attached(attached)
        assert attached.closed
        await stream.write(b"still there")
        assert engine.recv(100) == b"still there"
        await stream.close()


@pytest.mark.parametrize("inner", [None, object()], ids=["no-socket", "tls-or-ssh-channel"])
async def test_a_connection_that_asyncio_cannot_wait_on_is_refused_with_advice(
    inner: object,
) -> None:
    attached = Attached(inner)

    with pytest.raises(SandboxUnavailableError, match="ssh -NL"):
        await AttachedStream.over_attached(attached)
    assert attached.closed
