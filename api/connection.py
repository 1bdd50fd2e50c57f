"""What a connection may send before there is a request to serve, and leave untaken afterwards.

What a request holds is limited where it is read (see `api.body`), once it is known whose it is.
Uvicorn itself limits neither size nor time of what comes before: nobody needed a key to have
300 MB of headers kept (290 MB of memory), to hold up everybody with an address of 100 MB (it is
put together in quadratic time: 33 s), or to keep a connection with a byte a minute.
"""

import asyncio
import json
from asyncio.events import TimerHandle

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.connection_answers import HEAD_TOO_LARGE, REQUEST_TIMED_OUT
from api.errors import Answer, BadRequestError

MAX_HEAD_BYTES = 64 * 1024
"""Of a request's line and headers, or of its trailers: clients send 2 KB. What is found too
large may be up to twice that, for it is looked at in pieces of so many bytes."""

MOST_HEADERS = 256
"""Of a request: clients send 20. 60 KB of empty ones took 0.3 s to be looked through."""

MOST_WAITING = 32
"""Requests on a connection that wait for an earlier one's answer; no client of ours sends any.
Uvicorn takes all that are in a piece before it serves one: nobody needed a key to hold
everybody up for 14 s with 5 MB of short ones."""

PATIENCE_S = 30.0
"""How long a head may take, counted from its first byte or from the connection's beginning; and
what is left of a request that has been answered already. `api.body` has as much for a body."""

TAKING_PATIENCE_S = 120.0
"""How long a client may take nothing of an answer that waits for it: a download holds a line to
object storage, and TCP keeps a client that reads nothing for ever. On a slow line the kernel
asks for more only once a third of its buffer of up to 4 MB is sent: 40 s at 35 KB a second."""


class _RefusedError(Exception):
    """Ends the parser's work on a connection; whoever called it closes that."""


class LimitedConnection(HttpToolsProtocol):
    """Uvicorn's connection, closed on whoever sends too much or too slowly."""

    _fruitless_bytes = 0
    """That have come since the end of a head, a byte of a body, or a body's end."""
    _is_within_body = False
    _deadline: TimerHandle | None = None
    """Set while nothing is being served, and the client is sending or has not begun."""
    _taking: TimerHandle | None = None
    """Set while more waits to be taken than the transport cares to hold."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._watch_time()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_time()
        self._forget_taking()
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    @override
    def resume_writing(self) -> None:
        self._forget_taking()
        super().resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_HEAD_BYTES):
            piece = data[start : start + MAX_HEAD_BYTES]
            self._fruitless_bytes += len(piece)
            super().data_received(piece)
            if self._fruitless_bytes > MAX_HEAD_BYTES:
                self._end(HEAD_TOO_LARGE)
            if self.transport.is_closing():
                return
        if self._deadline is None and not self._is_serving:
            self._watch_time()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) == MOST_HEADERS:
            self._end(HEAD_TOO_LARGE)
            raise _RefusedError
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        if len(self.pipeline) == MOST_WAITING:
            raise _RefusedError
        super().on_headers_complete()
        self._fruitless_bytes = 0
        self._is_within_body = True
        self._forget_time()

    @override
    def on_body(self, body: bytes) -> None:
        self._fruitless_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._fruitless_bytes = 0
        self._is_within_body = False
        if not self._is_serving:
            self._forget_time()  # The next one has time of its own.
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._end(BadRequestError(msg).answer)

    @property
    def _is_serving(self) -> bool:
        is_answered = getattr(self.cycle, "response_complete", True)  # There may be none yet.
        return bool(self.pipeline) or not is_answered

    def _watch_time(self) -> None:
        self._deadline = self.loop.call_later(PATIENCE_S, self._end, REQUEST_TIMED_OUT)

    def _forget_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_taking(self) -> None:
        untaken_bytes = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(
            TAKING_PATIENCE_S, self._require_taken, untaken_bytes
        )

    def _forget_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _require_taken(self, untaken_bytes: int) -> None:
        """Drop a client that has taken none of them: to close would be to wait for it."""
        if self.transport.get_write_buffer_size() < untaken_bytes:
            self._watch_taking()
        else:
            self.transport.abort()

    def _end(self, answer: Answer) -> None:
        """Say why, and close. Nothing is said where it would be taken for another answer."""
        if self.transport.is_closing():
            return
        has_asked = self._fruitless_bytes > 0
        if has_asked and not self._is_serving and not self._is_within_body:
            body = json.dumps(answer.body).encode()
            self.transport.write(
                STATUS_LINE[answer.status]
                + b"content-type: application/json\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
        self.transport.close()
