"""What a sandbox says of calls is a claim: bounded, in order, and JSON, or it is given up."""

import json
from typing import Any

import pytest

from executor.calls import CallsPending, ToolCall, ToolResult
from executor.sandbox import Program, SandboxLostError
from sandbox.supervisor.frames import Kind, encode_json
from sandbox.supervisor.programmatic.channel import MAX_INPUT_BYTES, Tool
from tests.executor.memory_stream import Rig, data, ended

pytestmark = pytest.mark.anyio

PROGRAM = Program(language="py", source=b"", tools=(Tool("now"),))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def call(number: object, text: bytes = b"{}", *, tool: object = "now", **more: Any) -> bytes:
    fields = {"number": number, "tool": tool, "size": len(text)}
    return encode_json(Kind.CALL, {**fields, **more}) + (data(text) if text else b"")


def waits(*pending: object) -> bytes:
    return encode_json(Kind.WAITING, {"pending": list(pending)})


async def test_calls_are_told_in_their_order_with_what_was_printed(rig: Rig) -> None:
    sandbox = await rig.prepared(program=PROGRAM)
    rig.stream.says(call(1, b'{"a":1}'), call(2, tool="other"), waits(1, 2))

    assert await sandbox.begin() == CallsPending(
        calls=(
            ToolCall(number=1, tool="now", input=b'{"a":1}'),
            ToolCall(number=2, tool="other", input=b"{}"),
        ),
        stdout=b"",
        stderr=b"",
    )


async def test_answers_go_in_whole_and_the_program_goes_on_after_the_last(rig: Rig) -> None:
    sandbox = await rig.prepared(program=PROGRAM)
    rig.stream.says(call(1), call(2), waits(1, 2))
    await sandbox.begin()
    rig.stream.says(call(3), waits(2, 3))
    big = json.dumps("x" * 300_000).encode()
    outcome = await sandbox.answer([ToolResult(number=1, text=big)])

    assert isinstance(outcome, CallsPending)
    assert [each.number for each in outcome.calls] == [2, 3]
    assert rig.heard_json(Kind.RESULT) == [{"number": 1, "is_error": False, "size": len(big)}]
    assert b"".join(rig.heard(Kind.DATA)) == big
    assert rig.stream.heard[-1].kind is Kind.RESUME


async def test_the_end_may_come_in_any_round(rig: Rig) -> None:
    sandbox = await rig.prepared(program=PROGRAM)
    rig.stream.says(call(1), waits(1))
    await sandbox.begin()
    rig.stream.says(ended(exit_code=3))
    outcome = await sandbox.answer([ToolResult(number=1, text=b"null")])

    assert not isinstance(outcome, CallsPending)
    assert outcome.exit_code == 3


async def test_a_plain_program_has_no_calls(rig: Rig) -> None:
    sandbox = await rig.prepared()
    rig.stream.says(call(1))

    with pytest.raises(SandboxLostError):
        await sandbox.run()


@pytest.mark.parametrize(
    "said",
    [
        call(2),
        call(1) + call(1),
        call(0),
        call(201),
        call("1"),
        call(1, tool="x" * 1025),
        call(1, tool=5),
        call(1, b"[]"),
        call(1, b"null"),
        call(1, b"{"),
        call(1, b'{"a":NaN}'),
        call(1, b'{"a":"\xff"}'),
        call(1, b"", size=MAX_INPUT_BYTES + 1),
        call(1, b"", size=-1),
        call(1, b"{}", size=1),
        call(1) + waits(),
        call(1) + waits(1, 2),
        call(1) + waits(2),
        call(1) + waits("1"),
        waits(1),
        encode_json(Kind.WAITING, {}),
        encode_json(Kind.RESULT, {}),
    ],
    ids=str,
)
async def test_what_no_supervisor_says_ends_the_run(rig: Rig, said: bytes) -> None:
    sandbox = await rig.prepared(program=PROGRAM)
    rig.stream.says(said)

    with pytest.raises(SandboxLostError):
        await sandbox.begin()


async def test_inputs_are_bounded_together(rig: Rig) -> None:
    sandbox = await rig.prepared(program=PROGRAM)
    text = b'{"a":"' + bytes(4_000_000).replace(b"\0", b"x") + b'"}'
    for number in (1, 2, 3):
        rig.stream.says(
            encode_json(Kind.CALL, {"number": number, "tool": "now", "size": len(text)})
        )
        for start in range(0, len(text), 1_000_000):
            rig.stream.says(data(text[start : start + 1_000_000]))

    with pytest.raises(SandboxLostError, match="too large"):
        await sandbox.begin()
