"""The supervisor's end: takes a program's calls to the executor, and brings results back."""

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable

from ..frames import CHUNK_BYTES, Frame, FrameError, Kind, decode_json, encode, encode_json
from ..incoming import Incoming
from ..lean_typing import cast
from ..processes import anybody_busy
from .channel import (
    CALL,
    CALLS_FIFO,
    MAX_CALLS,
    MAX_INPUT_BYTES,
    MAX_NAME_BYTES,
    REPLIES_FIFO,
    SETTLED,
    SETTLED_BODY,
    TO_PROGRAM,
    TO_SUPERVISOR,
)

SETTLE_S = 0.02
"""A round ends when no further call has come for so long and no process is busy, unless the
program has said that it waits. Jobs of a script that make a call each are 3 to 12 ms apart at
half a processor, and several times that on a busy machine."""

MOST_LOOKS = 25
"""A round ends after so many looks, whoever is busy: the program may work at something else as
well. Looks, not time: a sandbox that has used up its share of the processor stands still, we
with it, for most of a second."""

MAX_MESSAGE_BYTES = MAX_INPUT_BYTES + MAX_NAME_BYTES + 1


class ToolCalls:
    """The calls of one program. Nothing in here is called before there is one."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        calls: str = CALLS_FIFO,
        replies: str = REPLIES_FIFO,
    ) -> None:
        """Make both FIFOs, where the program's process is going to look for them.

        Args:
            send: Takes frames for the executor.
            calls: The path of the FIFO that the program writes.
            replies: The path of the one that it reads.

        Raises:
            OSError: There is no room for them.
        """
        self._send = send
        # Open for both directions, a FIFO has no end: the program's is seen elsewhere.
        self.reader = _fifo(calls)
        self.writer = _fifo(replies)
        self._unread = bytearray()
        self._unsent: deque[memoryview] = deque()
        self._pending: set[int] = set()
        self._made = 0
        self._answered = 0
        self._input_bytes = 0
        self._is_settled = False
        self._last_look = 0.0
        self._looks = 0
        """How many there were since the last news."""
        self.exceeded: str | None = None
        """`calls` or `call_bytes`, once the program has asked for more than it may."""

    @property
    def writers(self) -> list[int]:
        """Whose readiness to take more is of interest."""
        return [self.writer] if self._unsent else []

    def due_in_s(self, otherwise: float) -> float:
        """Return when the present round ends, in seconds; `otherwise` if it has no calls."""
        if not self._pending:
            return otherwise
        if self._is_settled:
            return 0.0
        return max(0.0, self._last_look + SETTLE_S - time.monotonic())

    def may_round_end(self, bystander: int | None) -> bool:
        """Whether the calls that have come are all that will, as far as can be seen.

        Args:
            bystander: A process of ours that is none of the program's.
        """
        if self.due_in_s(1.0) > 0 or select.select([self.reader], [], [], 0)[0]:
            return False  # While a large call was passed on, the next may have come.
        if self._is_settled or self._looks == MOST_LOOKS:
            return True
        self._last_look = time.monotonic()
        self._looks += 1
        return not self._unread and not anybody_busy(bystander)

    def _note_news(self) -> None:
        self._last_look = time.monotonic()
        self._looks = 0

    def attend(self, ready: list[int], writable: list[int]) -> None:
        """Do what the descriptors of ours that are among these are ready for."""
        if writable:
            self.flush()
        if self.reader in ready:
            self.pump()

    def pump(self) -> None:
        """Take what the program says; tell the executor of its calls."""
        with contextlib.suppress(BlockingIOError):
            self._unread += os.read(self.reader, CHUNK_BYTES)
            self._note_news()  # Also of a call that is not whole yet: large ones take a while.
        while self.exceeded is None and len(self._unread) >= TO_SUPERVISOR.size:
            kind, length = TO_SUPERVISOR.unpack_from(self._unread)
            if length > MAX_MESSAGE_BYTES:
                self.exceeded = "call_bytes"
                return
            end = TO_SUPERVISOR.size + length
            if len(self._unread) < end:
                return
            payload = bytes(self._unread[TO_SUPERVISOR.size : end])
            del self._unread[:end]
            if kind == CALL:
                self._take_call(payload)
            elif kind == SETTLED and length == SETTLED_BODY.size:
                # Said before the last reply was heard, it is about the round before.
                heard = SETTLED_BODY.unpack(payload)
                self._is_settled = heard == (self._made, self._answered)

    def _take_call(self, payload: bytes) -> None:
        name, _, text = payload.partition(b"\0")
        self._input_bytes += len(text)
        if self._made == MAX_CALLS:
            self.exceeded = "calls"
        elif self._input_bytes > MAX_INPUT_BYTES or len(name) > MAX_NAME_BYTES:
            self.exceeded = "call_bytes"
        else:
            self._made += 1
            self._pending.add(self._made)
            self._is_settled = False
            self._note_news()
            fields = {"number": self._made, "tool": name.decode("utf-8", "replace")}
            self._send_frame(Kind.CALL, {**fields, "size": len(text)})
            for start in range(0, len(text), CHUNK_BYTES):
                self._send(encode(Kind.DATA, text[start : start + CHUNK_BYTES]))

    def flush(self) -> None:
        """Hand the program what it takes of its replies."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                written = os.write(self.writer, self._unsent[0])
                self._unsent[0] = self._unsent[0][written:]
                if not self._unsent[0]:
                    self._unsent.popleft()

    def hold(self, incoming: Incoming) -> None:
        """Say that the program waits, and return once the executor lets it go on.

        Nothing else is looked at meanwhile: the executor freezes the sandbox.

        Raises:
            HostGoneError: Nobody waits for the program any more.
            FrameError: The executor does not keep to the protocol.
        """
        self._send_frame(Kind.WAITING, {"pending": sorted(self._pending)})
        while (frame := incoming.next()).kind is not Kind.RESUME:
            self._take_result(frame, incoming)
        self._note_news()
        self.flush()

    def _take_result(self, frame: Frame, incoming: Incoming) -> None:
        if frame.kind is not Kind.RESULT:
            raise FrameError(f"{frame.kind.name} where RESULT belongs")
        fields = cast("dict[str, int]", decode_json(frame))
        number, size = fields["number"], fields["size"]
        text = bytearray()
        while len(text) < size:
            piece = incoming.next()
            if piece.kind is not Kind.DATA:
                raise FrameError(f"{piece.kind.name} where DATA belongs")
            text += piece.payload
        self._pending.discard(number)
        self._answered += 1
        self._is_settled = False
        head = TO_PROGRAM.pack(fields["is_error"], number, size)
        self._unsent.append(memoryview(head + text))

    def _send_frame(self, kind: Kind, fields: dict[str, object]) -> None:
        self._send(encode_json(kind, fields))


def _fifo(path: str) -> int:
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
