"""The executor's whole side of a run, facing a supervisor that has been taken over."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.sandbox import Execution, SandboxLostError, SandboxRefusedError
from sandbox.supervisor.frames import Kind, encode
from tests.executor.memory_stream import (
    LIMITS,
    PYTHON,
    Rig,
    data,
    ended,
    output,
    read_outputs,
    summary,
)
from tests.fuzz.mutations import mutated, pieces_of
from tests.fuzz.plain_readings import is_path, is_shown

ResultT = TypeVar("ResultT")

REFUSALS = (SandboxLostError, SandboxRefusedError)

NAMES = st.sampled_from(["a", "a/b", "b.csv", "../x", "/x", "a\nb", "e\u0301", "", "a" * 300])
CONTENTS = st.binary(max_size=200)


@st.composite
def said_afterwards(draw: st.DrawFn) -> bytes:
    """What a supervisor says of the files; now and then of another length than announced."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        content = draw(CONTENTS)
        announced = len(content) + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 10_000]))
        parts += [output(draw(NAMES), announced), *([data(content)] if content else [])]
    names = draw(st.lists(NAMES, max_size=3))
    count = draw(st.integers(0, 3))
    return b"".join([*parts, summary(unchanged=names, skipped_count=count)])


@st.composite
def said_during(draw: st.DrawFn) -> bytes:
    """Output, and an end."""
    printed = draw(
        st.lists(
            st.builds(encode, st.sampled_from([Kind.STDOUT, Kind.STDERR]), CONTENTS), max_size=4
        )
    )
    return b"".join([*printed, ended(exit_code=draw(st.integers(-1, 256)))])


WORDS = st.tuples(said_during(), said_afterwards()).map(b"".join)
HOSTILE = pieces_of(WORDS | mutated(WORDS) | st.binary(max_size=300))

often = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@often
@given(pieces=HOSTILE)
def test_a_run_ends_with_what_is_within_its_limits_or_as_lost(pieces: list[bytes]) -> None:
    anyio.run(check_run, pieces)


async def check_run(pieces: list[bytes]) -> None:
    rig = Rig()
    rig.stream.says(*(piece for piece in pieces if piece))
    rig.stream.ends()
    await rig.sandbox.prepare(PYTHON, LIMITS)

    execution = await unless_refused(rig.sandbox.run)
    if execution is None:
        return
    check_execution(execution)
    files = await unless_refused(lambda: read_outputs(rig.sandbox))
    if files is None:
        return
    assert all(map(is_path, files))
    assert len(files) <= LIMITS.files
    assert sum(map(len, files.values())) <= LIMITS.total_bytes
    left = rig.sandbox.leftovers
    assert all(map(is_path, left.unchanged | left.deleted))
    assert all(is_shown(skipped.name) for skipped in left.skipped)


def check_execution(execution: Execution) -> None:
    assert execution.exit_code is None or 0 <= execution.exit_code <= 255
    assert len(execution.stdout) <= LIMITS.stdout_bytes
    assert len(execution.stderr) <= LIMITS.stderr_bytes


async def unless_refused(work: Callable[[], Awaitable[ResultT]]) -> ResultT | None:
    """Return what comes of it, or None if the sandbox is given up, in the words for that."""
    try:
        return await work()
    except REFUSALS:
        return None
