"""One end of a socket pair as a `ByteStream`."""

import asyncio
import socket
from typing import Self

from typing_extensions import override

from executor.frame_stream import ByteStream

READ_AHEAD_BYTES = 1024 * 1024
"""How much is taken from the socket before anybody asks: one frame of the largest size."""


class SocketStream(ByteStream):
    """Standard input and output of a process that was given the other end for both."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Take over `end`."""
        end.setblocking(False)  # noqa: FBT003 - the library's own parameter
        return cls(*await asyncio.open_connection(sock=end, limit=READ_AHEAD_BYTES))

    @override
    async def read(self) -> bytes:
        return await self._reader.read(READ_AHEAD_BYTES)

    @override
    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @override
    def at_end(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    @override
    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
