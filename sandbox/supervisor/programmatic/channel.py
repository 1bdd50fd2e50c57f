"""What a program's process and the supervisor say to each other about calls of tools.

Two FIFOs below the folder for compiled programs, whose names are gone before the user's first
line runs; descriptors could be passed over a socket alone, whose module takes every sandbox
5 ms to import. A message is a header and a payload. What comes from the program is hostile.
"""

import json
import struct

from ..languages import BUILD
from ..lean_typing import NamedTuple, cast

CALLS_FIFO = f"{BUILD}/.calls"
REPLIES_FIFO = f"{BUILD}/.replies"

CALL = 1
"""Payload: the tool's name in UTF-8, NUL, the input as JSON text."""
SETTLED = 2
"""Payload: `SETTLED_BODY`. The program can do nothing more before it has another reply."""

TO_SUPERVISOR = struct.Struct("!BI")
"""What it is, and the length of the payload."""

SETTLED_BODY = struct.Struct("!II")
"""How many calls the program has made so far, and how many replies it has had."""

TO_PROGRAM = struct.Struct("!?II")
"""Whether it is an error, the number of the call, and the length of the payload: JSON text, or
the error's message."""

MAX_CALLS = 200
"""In one execution (librechat-contract 6.1)."""

MAX_NAME_BYTES = 1024

MAX_INPUT_BYTES = 10_000_000
"""All inputs of one execution together: the contract's bound of a state (4.2)."""


def dump_input(given: object) -> bytes:
    """Write the arguments of a call.

    Raises:
        TypeError, ValueError: They are nothing that JSON can carry: no number, or half a
            character.
    """
    return json.dumps(given, allow_nan=False, ensure_ascii=False).encode()


class Tool(NamedTuple):
    """A function that a program can call."""

    name: str
    """As the client knows it."""
    parameters: tuple[str, ...] = ()
    """Names of its arguments."""
    required: tuple[str, ...] = ()
    """Those of them that it cannot do without."""


def parse_tools(text: bytes) -> tuple[Tool, ...]:
    """Read a list of tools as `dump_tools` writes it.

    Raises:
        ValueError, TypeError: It is none.
    """
    rows = cast("list[tuple[str, list[str], list[str]]]", json.loads(text))
    return tuple(
        Tool(name, tuple(parameters), tuple(required)) for name, parameters, required in rows
    )


def dump_tools(tools: tuple[Tool, ...]) -> bytes:
    """Write a list of tools."""
    return json.dumps(tools).encode()
