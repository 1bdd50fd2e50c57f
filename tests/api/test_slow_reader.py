"""How long a client may leave an answer untaken, against the real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from typing import NamedTuple

import pytest
import uvicorn

from api import connection as module
from api.__main__ import make_server
from tests.api.service import KEY, make_service, make_settings
from tests.executor.eventually import eventually

pytestmark = pytest.mark.anyio

PATIENCE_S = 0.5
CONTENT = b"0123456789abcdef" * 250_000
SMALL_BUFFER_BYTES = 64 * 1024
"""Of both kernels' ends: else they would take the whole file between them."""


class Served(NamedTuple):
    """A server, and a download that is larger than any buffer on its way."""

    server: uvicorn.Server
    port: int
    request: bytes


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(module, "TAKING_PATIENCE_S", PATIENCE_S)
    service = make_service()
    entry = await service.store_file("large.txt", CONTENT)
    server = make_server(service.app, make_settings())
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    serving = asyncio.create_task(server.serve([listener]))
    path = f"/download/{entry.storage_session_id}/{entry.id}"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode()
    yield Served(server, listener.getsockname()[1], request)
    server.should_exit = True
    await serving


def connected(served: Served) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    client.connect(("127.0.0.1", served.port))
    client.setblocking(False)  # noqa: FBT003 - the library's own parameter
    return client


async def test_a_client_that_takes_nothing_is_dropped(served: Served) -> None:
    loop, state = asyncio.get_running_loop(), served.server.server_state
    with closing(connected(served)) as client:
        await loop.sock_sendall(client, served.request)
        assert await loop.sock_recv(client, 15) == b"HTTP/1.1 200 OK"

        await eventually(lambda: not state.connections and not state.tasks)


async def test_one_that_takes_a_little_now_and_then_gets_it_all(served: Served) -> None:
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    with closing(connected(served)) as client:
        await loop.sock_sendall(client, served.request)
        taken = bytearray()
        while not taken.endswith(CONTENT):
            piece = await loop.sock_recv(client, len(CONTENT) // 16)
            assert piece, "it was dropped"
            taken += piece
            await asyncio.sleep(PATIENCE_S / 20)  # It is slow: there is nothing to wait for.

    assert loop.time() - began_at > 2 * PATIENCE_S
