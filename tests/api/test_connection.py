"""What a connection may send before there is a request to serve, against the real server."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from api import connection as module
from api.__main__ import make_server
from tests.api.service import KEY, make_service, make_settings

pytestmark = pytest.mark.anyio

PATIENCE_S = 0.4
MIB = 1 << 20
ASK = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n"
WITH_KEY = ASK + b"X-API-Key: " + KEY.encode() + b"\r\n"
FORM = b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Line(NamedTuple):
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        """Return the status of the next answer, which must be a JSON object with an error."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        (length,) = [
            int(line.partition(b":")[2])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length")
        ]
        assert json.loads(await self.reader.readexactly(length))["error"]
        return int(head.split()[1])

    async def is_ended(self) -> bool:
        """Wait until the server closes; there must be nothing more to read."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read() == b""
        return True


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(module, "PATIENCE_S", PATIENCE_S)
    server = make_server(make_service().app, make_settings())
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Line, None]:
    async with asyncio.timeout(10):
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield line
        finally:
            line.writer.close()
            with contextlib.suppress(ConnectionError):
                await line.writer.wait_closed()


class TestSize:
    async def test_a_head_that_is_too_large_is_refused_before_it_ends(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(ASK)
            for _ in range(13):
                await line.send(b"X: " + b"a" * 10_000 + b"\r\n")

            assert await line.status() == 431
            assert await line.is_ended()

    @pytest.mark.parametrize("start", [b"GET /", ASK + b"X: ", ASK + b"x"])
    async def test_so_is_one_whose_parts_do_not_end(self, port: int, start: bytes) -> None:
        async with connected(port) as line:
            with contextlib.suppress(ConnectionError):
                await line.send(start + b"a" * 64 * MIB)  # More than any buffer takes.

            # What the server has not read makes the kernel drop what it has answered.
            with contextlib.suppress(ConnectionError):
                assert (await line.reader.read()).startswith(b"HTTP/1.1 431 ")

    async def test_so_are_trailers(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(FORM + b"1\r\na\r\n0\r\n")
            assert await line.status() == 401
            with contextlib.suppress(ConnectionError):
                await line.send((b"X: " + b"a" * 10_000 + b"\r\n") * 1000)

            assert await line.is_ended()

    async def test_so_is_one_of_many_headers(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(ASK + module.MOST_HEADERS * b"x:\r\n" + b"\r\n")

            assert await line.status() == 431
            assert await line.is_ended()

    async def test_as_many_as_may_be_are_served(self, port: int) -> None:
        headers = WITH_KEY.count(b"\r\n") - 1
        async with connected(port) as line:
            for _ in range(2):
                await line.send(
                    WITH_KEY + (module.MOST_HEADERS - headers) * b"x:\r\n" + b"\r\n"
                )
                assert await line.status() == 404

    async def test_a_large_one_is_served(self, port: int) -> None:
        async with connected(port) as line:
            for _ in range(3):
                await line.send(WITH_KEY + b"X: " + b"a" * 60_000 + b"\r\n\r\n")
                assert await line.status() == 404

    async def test_a_body_is_no_head(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(FORM + b"%x\r\n%b\r\n0\r\n\r\n" % (MIB, b"a" * MIB) + WITH_KEY)
            assert await line.status() == 401
            await line.send(b"\r\n")

            assert await line.status() == 404

    async def test_some_requests_may_be_sent_at_once(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(8 * (WITH_KEY + b"\r\n"))
            for _ in range(8):
                assert await line.status() == 404

    async def test_so_many_that_they_hold_up_others_are_not_served(self, port: int) -> None:
        async with connected(port) as flood, connected(port) as other:
            with contextlib.suppress(ConnectionError):
                await flood.send(10_000 * b"GET / HTTP/1.1\r\n\r\n")
            await other.send(WITH_KEY + b"\r\n")
            assert await other.status() == 404
            answers = b""
            with contextlib.suppress(ConnectionError):
                answers = await flood.reader.read()

        assert answers.count(b"HTTP/1.1 ") <= module.MOST_WAITING + 1


class TestTime:
    @pytest.mark.parametrize("start", [b"GET /", b"\r\n", ASK + b"x"])
    async def test_a_head_that_trickles_is_refused(self, port: int, start: bytes) -> None:
        async with connected(port) as line:
            await line.send(start)
            for _ in range(3):  # What comes does not extend it.
                await asyncio.sleep(PATIENCE_S / 4)
                await line.send(b"\r\n" if start == b"\r\n" else b"E")

            assert await line.status() == 408
            assert await line.is_ended()

    async def test_a_connection_that_says_nothing_is_closed(self, port: int) -> None:
        async with connected(port) as line:
            assert await line.is_ended()

    async def test_so_is_one_that_goes_on_with_what_has_been_answered(self, port: int) -> None:
        async with connected(port) as line:
            await line.send(FORM)
            assert await line.status() == 401
            await line.send(b"1\r\na\r\n")

            assert await line.is_ended()

    async def test_requests_have_time_of_their_own_each(self, port: int) -> None:
        async with connected(port) as line:
            for _ in range(4):
                await line.send(WITH_KEY)
                await asyncio.sleep(PATIENCE_S / 2)
                await line.send(b"\r\n")
                assert await line.status() == 404
            await asyncio.sleep(2 * PATIENCE_S)
            await line.send(WITH_KEY + b"\r\n")
            assert await line.status() == 404, "it is kept open between requests"


async def test_what_is_no_http_is_refused_in_json(port: int) -> None:
    for nonsense in (b"nonsense\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0"):
        async with connected(port) as line:
            await line.send(nonsense)

            assert await line.status() == 400
            assert await line.is_ended()
