"""What a program asks of tools, and what it is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A program asks for something that is done elsewhere."""

    number: int
    """From 1, in the order in which the program made them."""
    tool: str
    """The name that the program gave: perhaps none of its tools'."""
    input: bytes
    """A JSON object, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """The answer to a call."""

    number: int
    text: bytes
    """JSON, or the message of an error."""
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPending:
    """A program goes no further before it has an answer to one of its calls."""

    calls: tuple[ToolCall, ...]
    """All that have no answer, by number; at least one."""
    stdout: bytes
    stderr: bytes
    """What it has printed so far."""
