"""What formats say, read in the plainest way: slow, whole, and not by the code under test."""

import unicodedata
from collections.abc import Collection
from typing import NamedTuple

HEADER_BYTES = 5


class Reading(NamedTuple):
    """What there is in a stream of frames."""

    frames: list[tuple[int, bytes]]
    rest: bytes
    """From the first frame on that is not whole."""
    is_broken: bool
    """That frame can never become whole: its head is none of this protocol."""


def read_frames(stream: bytes, *, kinds: Collection[int], max_payload_bytes: int) -> Reading:
    """Read frames: one byte of kind, four of length, the payload."""
    found: list[tuple[int, bytes]] = []
    while len(stream) >= HEADER_BYTES:
        kind, length = stream[0], int.from_bytes(stream[1:HEADER_BYTES])
        if kind not in kinds or length > max_payload_bytes:
            return Reading(found, stream, is_broken=True)
        end = HEADER_BYTES + length
        if len(stream) < end:
            break
        found.append((kind, stream[HEADER_BYTES:end]))
        stream = stream[end:]
    return Reading(found, stream, is_broken=False)


def is_path(name: str) -> bool:
    """Whether it is a canonical relative path that can be shown."""
    return (
        0 < len(name) <= 256
        and all(step not in {"", ".", ".."} for step in name.split("/"))
        and "\\" not in name
        and not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name)
        and not any(unicodedata.bidirectional(letter) in _OVERRIDES for letter in name)
    )


_OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_name(name: str) -> bool:
    """Whether an upload may be called so (librechat-contract 2.2)."""
    steps = name.split("/")
    return (
        is_path(name) and len(steps) <= 10 and all(len(step.encode()) <= 255 for step in steps)
    )


def is_shown(text: str) -> bool:
    """Whether nothing in it is invisible."""
    return not any(unicodedata.category(letter).startswith("C") for letter in text)
