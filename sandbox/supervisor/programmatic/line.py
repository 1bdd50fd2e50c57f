"""The program's end: makes calls, and hears their results."""

import os
import threading
from collections.abc import Iterator

from ..frames import CHUNK_BYTES
from ..lean_typing import NamedTuple
from .channel import (
    CALL,
    CALLS_FIFO,
    REPLIES_FIFO,
    SETTLED,
    SETTLED_BODY,
    TO_PROGRAM,
    TO_SUPERVISOR,
)


class Reply(NamedTuple):
    """What became of a call."""

    number: int
    is_error: bool
    text: bytes
    """JSON, or the error's message."""


class Line:
    """Opened once, before the program's first line. May be used from several threads."""

    def __init__(self, *, calls: str = CALLS_FIFO, replies: str = REPLIES_FIFO) -> None:
        """Open both FIFOs and remove their names.

        Raises:
            OSError: They are not there.
        """
        # For both directions: else it would see an end when the supervisor ends.
        self._writer = os.open(calls, os.O_RDWR | os.O_CLOEXEC)
        self.reader = os.open(replies, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.unlink(calls)
        os.unlink(replies)
        self._lock = threading.Lock()
        self._unread = bytearray()
        self._made = 0
        self._heard = 0

    def call(self, tool: str, text: bytes) -> int:
        """Make a call; return its number. They are numbered in this order."""
        payload = tool.encode() + b"\0" + text
        with self._lock:
            self._made += 1
            self._write(CALL, payload)
            return self._made

    def settled(self) -> None:
        """Say that nothing more can happen before the next reply."""
        with self._lock:
            self._write(SETTLED, SETTLED_BODY.pack(self._made, self._heard))

    def hear(self) -> Iterator[Reply]:
        """Yield the replies that have come by now, without waiting."""
        with self._lock:
            try:
                self._unread += os.read(self.reader, CHUNK_BYTES)
            except BlockingIOError:
                return
            replies = list(self._complete())
            self._heard += len(replies)
        yield from replies

    def _complete(self) -> Iterator[Reply]:
        start = 0
        while len(self._unread) - start >= TO_PROGRAM.size:
            is_error, number, size = TO_PROGRAM.unpack_from(self._unread, start)
            begin = start + TO_PROGRAM.size
            if len(self._unread) < begin + size:
                break
            start = begin + size
            yield Reply(number, is_error, bytes(self._unread[begin:start]))
        del self._unread[:start]

    def _write(self, kind: int, payload: bytes) -> None:
        view = memoryview(TO_SUPERVISOR.pack(kind, len(payload)) + payload)
        while view:
            view = view[os.write(self._writer, view) :]
