"""The hijacked connection of an attached container, as a `ByteStream`."""

import asyncio
import socket
import struct
from typing import Any, Self

from typing_extensions import override

from executor.sandbox import SandboxUnavailableError
from executor.socket_stream import READ_AHEAD_BYTES, SocketStream

_PIECE = struct.Struct("!BxxxI")
_STDOUT = 1


class AttachedStream(SocketStream):
    """Standard input and output of a container without a terminal.

    The engine puts eight bytes before each piece of output: which stream it is of, and how
    long it is (Engine API, "Attach to a container").
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._left = 0

    @classmethod
    async def over_attached(cls, attached: Any) -> Self:
        """Take over what docker-py's `attach_socket` returned.

        Raises:
            SandboxUnavailableError: The engine is reached over TLS or through docker-py's own
                SSH client, whose channels asyncio cannot wait on. A forwarded socket works.
        """
        inner = getattr(attached, "_sock", None)
        if type(inner) is not socket.socket:
            attached.close()
            raise SandboxUnavailableError(
                "the engine must be reached by unix:// or tcp://; for another host, forward "
                "its socket: ssh -NL /run/remote-docker.sock:/var/run/docker.sock HOST"
            )
        # A descriptor of our own: docker-py's response object closes its own when it is
        # collected, which may be at any time. Ours is to be the only one.
        try:
            return await cls.over(inner.dup())
        except OSError as fault:
            raise SandboxUnavailableError(f"the connection cannot be kept: {fault}") from fault
        finally:
            attached.close()
            inner.close()

    @override
    async def read(self) -> bytes:
        while not self._left:
            try:
                stream, length = _PIECE.unpack(await self._reader.readexactly(_PIECE.size))
            except asyncio.IncompleteReadError:
                return b""
            if stream == _STDOUT:
                self._left = length
            else:
                await self._skip(length)
        data = await self._reader.read(min(self._left, READ_AHEAD_BYTES))
        self._left -= len(data)
        return data

    async def _skip(self, length: int) -> None:
        while length:
            data = await self._reader.read(min(length, READ_AHEAD_BYTES))
            if not data:
                return
            length -= len(data)
