"""What is read out of a sandbox after its program, or what can be said if it is lost."""

import asyncio
import dataclasses

import pytest

from executor import supervised_sandbox
from executor.messages import Stopped
from executor.sandbox import (
    SandboxLostError,
)
from sandbox.supervisor.frames import Kind, encode
from sandbox.supervisor.skips import Skipped, SkipReason
from tests.executor.memory_stream import (
    LIMITS,
    Rig,
    chunks,
    data,
    output,
    read_output,
    read_outputs,
    summary,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def rig() -> Rig:
    return Rig()


class TestWhenTheWorkspaceIsLost:
    async def test_a_supervisor_killed_for_memory_is_a_program_out_of_memory(
        self, rig: Rig
    ) -> None:
        rig.oom_killed = True
        sandbox = await rig.prepared()
        rig.stream.says(encode(Kind.STDOUT, b"so far"))
        rig.stream.ends()

        execution = await sandbox.run()

        assert execution.stopped is Stopped.MEMORY
        assert (execution.exit_code, execution.signal) == (None, "SIGKILL")
        assert execution.stdout == b"so far"

    @pytest.mark.parametrize(
        "endless", [b"", encode(Kind.STDOUT)], ids=["silence", "empty-frames-without-end"]
    )
    async def test_a_supervisor_that_does_not_keep_the_time_limit_is_over_it(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, endless: bytes
    ) -> None:
        monkeypatch.setattr(supervised_sandbox, "RUN_GRACE_S", 0.1)
        sandbox = await rig.prepared(dataclasses.replace(LIMITS, wall_time_s=0.1))

        async def go_on() -> None:
            while endless:
                rig.stream.says(endless)
                await asyncio.sleep(0.001)

        going_on = asyncio.create_task(go_on())
        execution = await sandbox.run()
        going_on.cancel()

        assert execution.stopped is Stopped.TIME
        assert execution.wall_time_ms >= 200

    async def test_inputs_count_as_unchanged_and_nothing_else_is_left(self, rig: Rig) -> None:
        rig.oom_killed = True
        sandbox = await rig.prepared()
        await sandbox.put("a/data.csv", chunks(b"1"))
        rig.stream.ends()
        await sandbox.run()

        assert await read_outputs(sandbox) == {}
        assert sandbox.leftovers.unchanged == {"a/data.csv"}
        assert sandbox.leftovers.deleted == frozenset()
        assert sandbox.leftovers.skipped_count == 0


class TestOutputs:
    async def test_files_come_out_as_they_are(self, rig: Rig) -> None:
        sandbox = await rig.after_run(
            output("a", 5), data(b"ab") + data(b"cde"), output("b/c", 0), summary()
        )

        assert await read_outputs(sandbox) == {"a": b"abcde", "b/c": b""}

    async def test_leftovers_are_known_after_the_outputs_and_not_before(self, rig: Rig) -> None:
        sandbox = await rig.after_run(
            summary(
                unchanged=["a"], deleted=["b"], skipped=[["c", "total_size"]], skipped_count=7
            )
        )
        with pytest.raises(RuntimeError):
            _ = sandbox.leftovers

        assert await read_outputs(sandbox) == {}

        assert sandbox.leftovers.unchanged == {"a"}
        assert sandbox.leftovers.deleted == {"b"}
        assert sandbox.leftovers.skipped == (Skipped("c", SkipReason.TOTAL_SIZE),)
        assert sandbox.leftovers.skipped_count == 7

    @pytest.mark.parametrize(
        "said",
        [
            [output(name, 0) for name in "abcd"],
            [output("a", 1001)],
            [output("a", 1000), data(bytes(1000)), output("b", 501)],
            [output("a", 0), output("a", 0)],
            [output("a", 0), output("a/b", 0)],
            [output("a/b", 0), output("a", 0)],
            [output("/".join("abcdefghijk"), 0)],
        ],
        ids=[
            "too-many",
            "one-too-large",
            "too-much-together",
            "the-same-name-twice",
            "inside-a-file",
            "a-file-that-was-a-folder",
            "too-deep",
        ],
    )
    async def test_what_no_workspace_can_hold_is_a_lie(
        self, rig: Rig, said: list[bytes]
    ) -> None:
        sandbox = await rig.after_run(*said, summary())

        with pytest.raises(SandboxLostError, match="no workspace can hold"):
            await read_outputs(sandbox)

    @pytest.mark.parametrize(
        "said",
        [
            [output("a", 5), data(b"abc"), summary()],
            [output("a", 5), data(b"abc"), output("b", 1)],
            [output("a", 5), data(b"abcdef")],
            [output("a", 5), data(b"abc"), data(b"def")],
            [output("a", 5), data(b"")],
            [output("a", 5), encode(Kind.STDOUT, b"abcde")],
        ],
        ids=["short", "short-then-next", "long", "long-in-two", "empty-piece", "wrong-kind"],
    )
    async def test_a_body_of_another_length_than_announced_is_a_lie(
        self, rig: Rig, said: list[bytes]
    ) -> None:
        sandbox = await rig.after_run(*said)

        with pytest.raises(SandboxLostError, match="not as long as announced"):
            await read_outputs(sandbox)

    @pytest.mark.parametrize("kind", [Kind.DATA, Kind.STDOUT, Kind.HELLO, Kind.REFUSED])
    async def test_a_frame_out_of_order_is_a_lie(self, rig: Rig, kind: Kind) -> None:
        sandbox = await rig.after_run(encode(kind, b"{}"))

        with pytest.raises(SandboxLostError, match=kind.name):
            await read_outputs(sandbox)

    async def test_silence_while_files_move_is_given_up(self, rig: Rig) -> None:
        sandbox = await rig.after_run(output("a", 5), data(b"abc"))

        with pytest.raises(SandboxLostError, match="silent"):
            await read_outputs(sandbox)

    async def test_an_end_before_the_summary_is_a_lost_sandbox(self, rig: Rig) -> None:
        sandbox = await rig.after_run(output("a", 1), data(b"a"))
        rig.stream.ends()

        with pytest.raises(SandboxLostError, match="before its report"):
            await read_outputs(sandbox)

    async def test_a_file_is_read_before_the_next_one_is_asked_for(self, rig: Rig) -> None:
        """What is large must be streamed: nothing is read ahead."""
        sandbox = await rig.after_run(output("a", 2), data(b"a"))
        files = sandbox.outputs()
        first = await anext(files)
        rig.stream.says(data(b"b"), summary())

        assert await read_output(first) == ("a", b"ab")
        with pytest.raises(StopAsyncIteration):
            await anext(files)
