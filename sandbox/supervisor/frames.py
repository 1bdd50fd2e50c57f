"""The frame protocol between an executor and the supervisor, in both directions.

A frame is one byte of kind, four bytes of payload length (big-endian) and the payload.
Control payloads are JSON objects, `DATA`, `STDOUT` and `STDERR` are raw bytes.

    executor   PRELOAD?  JOB  SOURCE*  (STATE DATA*)?  (FILE DATA*)*  RUN
    supervisor HELLO  PRELOADED?  (STDOUT | STDERR)*  ENDED  (OUTPUT DATA*)*  SUMMARY
               (SNAPSHOT DATA*)?
               HELLO  PRELOADED?  REFUSED

A saved workspace comes after STATE, and the new one, if it has changed, after SNAPSHOT, which
the supervisor says where the job keeps a workspace.

A program that may call tools has TOOLS* after SOURCE*, and before ENDED any number of rounds:

    supervisor (STDOUT | STDERR | CALL DATA*)*  WAITING
    executor   (RESULT DATA*)*  RESUME

Both sides read with `FrameDecoder`, which holds at most one frame and never believes a
length before checking it: on the executor's side every byte is hostile.
"""

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from io import BufferedReader

from .lean_typing import NamedTuple

PROTOCOL_VERSION = 4

MAX_PAYLOAD_BYTES = 1024 * 1024
"""Largest payload. The largest control frame is a summary that names 256 inputs of 256
characters, each at most six bytes in JSON: 400 kB."""

CHUNK_BYTES = 128 * 1024
"""How much of a file goes into one `DATA` frame. Attach moves 170-390 MB/s at this size;
larger pieces gained nothing."""

_HEADER = struct.Struct("!BI")


class Kind(IntEnum):
    """What a frame is."""

    JOB = 1
    FILE = 2
    DATA = 3
    RUN = 4
    SOURCE = 5
    PRELOAD = 6
    TOOLS = 7
    RESULT = 8
    RESUME = 9
    STATE = 10
    HELLO = 16
    STDOUT = 17
    STDERR = 18
    ENDED = 19
    OUTPUT = 20
    SUMMARY = 21
    REFUSED = 22
    PRELOADED = 23
    CALL = 24
    WAITING = 25
    SNAPSHOT = 26


class Frame(NamedTuple):
    """One frame, whole."""

    kind: Kind
    payload: bytes


class FrameError(Exception):
    """The bytes are not frames of this protocol; the stream is useless from here on."""


def encode(kind: Kind, payload: bytes = b"") -> bytes:
    """Return the frame as bytes.

    Raises:
        FrameError: The payload is longer than `MAX_PAYLOAD_BYTES`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"a payload of {len(payload)} bytes is too long")
    return _HEADER.pack(kind, len(payload)) + payload


def encode_json(kind: Kind, fields: dict[str, object]) -> bytes:
    """Return a control frame as bytes. Raises `FrameError` as `encode` does."""
    return encode(kind, json.dumps(fields, separators=(",", ":")).encode())


def decode_json(frame: Frame) -> dict[str, object]:
    """Return a control frame's fields.

    Raises:
        FrameError: The payload is not one JSON object.
    """
    try:
        fields = json.loads(frame.payload)
    except (ValueError, RecursionError) as fault:
        raise FrameError(f"{frame.kind.name} is not JSON") from fault
    if not isinstance(fields, dict):
        raise FrameError(f"{frame.kind.name} is not a JSON object")
    return fields


def exactly(file: BufferedReader, size_bytes: int, *, name: str) -> Iterator[bytes]:
    """Yield what was announced of a file that may change, in pieces for a `DATA` frame each.

    Raises:
        OSError: `name` has become shorter, or cannot be read.
    """
    left = size_bytes
    while left:
        data = file.read(min(CHUNK_BYTES, left))
        if not data:
            raise OSError(f"{name!r} shrank while it was read")
        left -= len(data)
        yield data


class FrameDecoder:
    """Turns pieces of a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take `data`; yield every frame that is now complete.

        Exhaust the iterator before feeding again.

        Raises:
            FrameError: An unknown kind or a length over the limit, told from the header
                alone, before any of the payload is kept.
        """
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            code, length = _HEADER.unpack_from(self._buffer, start)
            if length > MAX_PAYLOAD_BYTES:
                raise FrameError(f"a frame announces {length} bytes")
            try:
                kind = Kind(code)
            except ValueError as fault:
                raise FrameError(f"unknown frame kind {code}") from fault
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            yield Frame(kind, bytes(self._buffer[start + _HEADER.size : end]))
            start = end
        del self._buffer[:start]

    @property
    def pending(self) -> bool:
        """Whether part of a frame is waiting for the rest."""
        return bool(self._buffer)
