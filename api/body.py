"""Request bodies, read within limits of size and time."""

import asyncio
from collections.abc import AsyncGenerator
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


class BodyTooSlowError(ApiError):
    """The client has fallen behind: it stalls, or trickles."""


async def request_body(
    request: Request[Any, Any, Any], limits: BodyLimits
) -> AsyncGenerator[bytes, None]:
    """Yield the body as it arrives, for no longer than the client keeps pace.

    Only the time counts that is spent waiting for the client. Read here rather than by the
    framework, which takes a client that leaves for a fault of the server.

    Raises:
        ApiError: With `too_large`, once the body is, or announces to be, larger than
            `max_bytes`.
        BodyTooSlowError: With `too_slow`, as soon as it falls behind.
        ClientGoneError: The client left before the end.
    """
    if _announced_bytes(request) > limits.max_bytes:
        raise ApiError(limits.too_large)
    clock = asyncio.get_running_loop().time
    received_bytes = 0
    left_s = PACE_S
    more = True
    while more:
        asked_at = clock()
        try:
            async with asyncio.timeout(left_s):
                event = await request.receive()
        except TimeoutError as fault:
            raise BodyTooSlowError(limits.too_slow) from fault
        left_s -= clock() - asked_at
        # The loop forgets the timers of pieces that were there already only when it gets its
        # turn: else they pile up, 10 MB for 50 MB in pieces of 1,000 bytes.
        await asyncio.sleep(0)
        if event["type"] != "http.request":
            raise ClientGoneError
        chunk = event["body"]
        if received_bytes // PACE_BYTES < (received_bytes + len(chunk)) // PACE_BYTES:
            left_s = PACE_S
        received_bytes += len(chunk)
        if received_bytes > limits.max_bytes:
            raise ApiError(limits.too_large)
        more = event.get("more_body", False)
        if chunk:
            yield chunk


async def until_client_leaves(request: Request[Any, Any, Any]) -> None:
    """Wait for the client to close the connection. Only after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _announced_bytes(request: Request[Any, Any, Any]) -> int:
    """Return what `Content-Length` says, or 0. A hint: the bytes that arrive are counted."""
    text = request.headers.get("content-length", "")
    is_length = text.isascii() and text.isdecimal() and len(text) <= MAX_LENGTH_DIGITS
    return int(text) if is_length else 0
