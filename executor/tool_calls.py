"""The calls of one program, as its sandbox tells them: claims, and checked."""

from collections.abc import AsyncIterator, Iterable

import msgspec

from executor.calls import ToolCall, ToolResult
from executor.claims import CallClaim, WaitingClaim
from executor.sandbox import SandboxLostError
from sandbox.supervisor.programmatic.channel import MAX_INPUT_BYTES


class AnnouncedCalls:
    """What was called so far, and what of it has no answer."""

    def __init__(self) -> None:
        self._pending: dict[int, ToolCall] = {}
        self._made = 0
        self._input_bytes = 0

    async def add(self, claim: CallClaim, body: AsyncIterator[bytes]) -> None:
        """Note one more call, whose input is `body`.

        Raises:
            SandboxLostError: It is more than a program may ask for, out of order, or its input
                is no JSON object.
        """
        self._input_bytes += claim.size
        if claim.number != self._made + 1 or self._input_bytes > MAX_INPUT_BYTES:
            raise SandboxLostError("a call is out of order, or too large")
        self._made += 1
        text = b"".join([piece async for piece in body])
        try:
            text.decode()  # What is only skipped below may be anything.
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            raise SandboxLostError("the input of a call is no JSON object") from fault
        self._pending[claim.number] = ToolCall(number=claim.number, tool=claim.tool, input=text)

    def waiting(self, claim: WaitingClaim) -> tuple[ToolCall, ...]:
        """Return the calls that the program waits for.

        Raises:
            SandboxLostError: They are not those that have no answer.
        """
        if set(claim.pending) != self._pending.keys():
            raise SandboxLostError("the sandbox waits for other calls than it made")
        return tuple(self._pending[number] for number in sorted(self._pending))

    def answered(self, results: Iterable[ToolResult]) -> None:
        """Note that these calls have their answers."""
        for result in results:
            del self._pending[result.number]
