"""Request bodies, read within limits of size and time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from litestar import Request

from api.errors import Answer, ApiError, ClientGoneError

PACE_S = 30.0
"""A body may take so long (librechat-contract 2.3) …"""
PACE_BYTES = 1024 * 1024
"""… and as long again after each MiB: a line of 35 KB a second is not refused, a client that
stalls or trickles is."""

MAX_LENGTH_DIGITS = 19
"""Of `Content-Length`: beyond any size there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How much a client may send, and what it is told when it does not keep to that."""

    max_bytes: int
    too_large: Answer
    too_slow: Answer


@asynccontextmanager
async def request_body(
    request: Request[Any, Any, Any], limits: BodyLimits
) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """Give the block the body as it arrives, and no more time than the client keeps pace.

    Read here rather than by the framework, which takes a client that leaves for a fault of
    the server.

    Raises:
        ApiError: With `too_large`, once the body is, or announces to be, larger than
            `max_bytes`; with `too_slow`, as soon as it falls behind.
        ClientGoneError: The client left before the end.
    """
    time_limit = asyncio.timeout(PACE_S)
    try:
        async with time_limit:
            yield _chunks(request, limits, time_limit)
    except TimeoutError as fault:
        if not time_limit.expired():
            raise
        raise ApiError(limits.too_slow) from fault


async def until_client_leaves(request: Request[Any, Any, Any]) -> None:
    """Wait for the client to close the connection. Only after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _chunks(
    request: Request[Any, Any, Any], limits: BodyLimits, time_limit: asyncio.Timeout
) -> AsyncIterator[bytes]:
    if _announced_bytes(request) > limits.max_bytes:
        raise ApiError(limits.too_large)
    received_bytes = 0
    more = True
    while more:
        event = await request.receive()
        if event["type"] != "http.request":
            raise ClientGoneError
        chunk = event["body"]
        if received_bytes // PACE_BYTES < (received_bytes + len(chunk)) // PACE_BYTES:
            time_limit.reschedule(asyncio.get_running_loop().time() + PACE_S)
        received_bytes += len(chunk)
        if received_bytes > limits.max_bytes:
            raise ApiError(limits.too_large)
        more = event.get("more_body", False)
        if chunk:
            yield chunk


def _announced_bytes(request: Request[Any, Any, Any]) -> int:
    """Return what `Content-Length` says, or 0. A hint: the bytes that arrive are counted."""
    text = request.headers.get("content-length", "")
    is_length = text.isascii() and text.isdecimal() and len(text) <= MAX_LENGTH_DIGITS
    return int(text) if is_length else 0
