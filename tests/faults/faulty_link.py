"""An address in front of a server, on the way to which things go wrong when they are told to.

It passes bytes between clients and the server, S3's and Redis's alike, in a thread of its own.
"""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

PIECE_BYTES = 65_536
HEAD_END = b"\r\n\r\n"

Direction = Literal["up", "down"]
"""`up` is to the server."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Every piece waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Each connection breaks after so many bytes; with 0 at once, and those that stand do."""

    direction: Direction = "up"
    after_bytes: int = 0

    def cuts(self, direction: Direction, passed: int) -> bool:
        """Say whether a connection breaks when so many bytes have come."""
        return direction == self.direction and passed > self.after_bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Each request is answered with an error of S3's, and never reaches the server."""

    status: int
    code: str
    times: int | None = None
    """After so many all is well again; `None` is until the fault ends."""

    @property
    def answer(self) -> bytes:
        """The whole response."""
        body = f"<Error><Code>{self.code}</Code><Message>Please wait.</Message></Error>"
        return (
            f"HTTP/1.1 {self.status} {self.code}\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        ).encode()


Fault = Slow | Cut | Refusal


class FaultyLink:
    """A context manager: the address is there until it is left."""

    def __init__(self, server_port: int, address: str = "127.0.0.1") -> None:
        """Listen at an address of this machine, for a server on loopback."""
        self._server_port = server_port
        self.address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty link")
        self._fault: Fault | None = None
        self._refused = 0
        self._lines: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def with_fault(self, fault: Fault) -> Generator[None, None, None]:
        """Have `fault` until the block ends; then all is well again."""
        self.begin(fault)
        try:
            yield
        finally:
            self.heal()

    def begin(self, fault: Fault) -> None:
        """Have `fault`, on connections that stand as well."""
        self._set(fault, break_lines=isinstance(fault, Refusal) or fault == Cut())

    def heal(self) -> None:
        """Be well again."""
        self._set(None, break_lines=isinstance(self._fault, Refusal))

    def blink(self) -> None:
        """Break every connection once."""
        self._set(self._fault, break_lines=True)

    def _set(self, fault: Fault | None, *, break_lines: bool) -> None:
        async def change() -> None:
            self._fault, self._refused = fault, 0
            if break_lines:
                for line in self._lines:
                    line.transport.abort()

        asyncio.run_coroutine_threadsafe(change(), self._loop).result()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self.address, 0, limit=PIECE_BYTES)

    async def _end(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._lines.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._pass_or_refuse(reader, writer)
        finally:
            self._lines.discard(writer)
            self._serving.discard(task)
            writer.transport.abort()

    async def _pass_or_refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(self._fault, Refusal):
            await self._refuse(reader, writer, self._fault)
            return
        if self._fault == Cut():
            return
        server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._lines.add(server[1])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, server[1], "up"))
                group.create_task(self._pump(server[0], writer, "down"))
        except* OSError:
            pass
        finally:
            self._lines.discard(server[1])
            server[1].transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        passed = 0
        while piece := await source.read(PIECE_BYTES):
            fault = self._fault
            if isinstance(fault, Slow):
                await asyncio.sleep(fault.seconds)
            passed += len(piece)
            if isinstance(fault, Cut) and fault.cuts(direction, passed):
                raise ConnectionAbortedError
            sink.write(piece)
            await sink.drain()
        sink.write_eof()

    async def _refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: Refusal
    ) -> None:
        head = await reader.readuntil(HEAD_END)
        await reader.readexactly(_length_of_body(head))
        writer.write(refusal.answer)
        await writer.drain()
        writer.write_eof()
        self._refused += 1
        if self._refused == refusal.times:
            self._fault = None


def _length_of_body(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
