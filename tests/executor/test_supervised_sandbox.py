"""The host's side of the frame protocol, facing supervisors that lie, stall and vanish."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator

import pytest

from executor import supervised_sandbox
from executor.messages import Stopped
from executor.sandbox import (
    SandboxLostError,
    SandboxRefusedError,
    SandboxUnavailableError,
)
from sandbox.supervisor.frames import CHUNK_BYTES, MAX_PAYLOAD_BYTES, Kind, encode, encode_json
from tests.executor.memory_stream import (
    HELLO,
    LIMITS,
    PRELOADED,
    PYTHON,
    Rig,
    chunks,
    ended,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def rig() -> Rig:
    return Rig()


class TestGreeting:
    async def test_a_supervisor_of_our_protocol_is_ready(self, rig: Rig) -> None:
        rig.stream.says(HELLO)

        await rig.sandbox.greet()

        assert rig.sandbox.alive

    @pytest.mark.parametrize(
        "said",
        [
            encode_json(Kind.HELLO, {"protocol": 1}),
            encode(Kind.HELLO, b"hello"),
            b"python3: can't open file '/opt/code-command/supervisor'\n",
        ],
        ids=["another-protocol", "no-json", "no-frames"],
    )
    async def test_anything_else_is_not_a_sandbox(self, rig: Rig, said: bytes) -> None:
        rig.stream.says(said)

        with pytest.raises(SandboxUnavailableError, match="box"):
            await rig.sandbox.greet()

    async def test_a_container_that_ends_at_once_is_unavailable(self, rig: Rig) -> None:
        rig.stream.ends()

        with pytest.raises(SandboxUnavailableError):
            await rig.sandbox.greet()
        assert not rig.sandbox.alive

    async def test_one_that_says_nothing_is_given_up(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(supervised_sandbox, "HELLO_TIMEOUT_S", 0.02)

        with pytest.raises(SandboxUnavailableError, match="did not come up"):
            await rig.sandbox.greet()


class TestPreloading:
    async def test_it_is_told_to_and_says_when_it_has(self, rig: Rig) -> None:
        assert not rig.sandbox.preloaded
        rig.stream.says(PRELOADED)

        await rig.sandbox.preload()

        assert rig.sandbox.preloaded
        assert [frame.kind for frame in rig.stream.heard] == [Kind.PRELOAD]

    async def test_a_job_may_come_in_the_middle_of_it(self, rig: Rig) -> None:
        preloading = asyncio.create_task(rig.sandbox.preload())
        await rig.stream.next_heard()
        preloading.cancel()
        await asyncio.wait([preloading])
        await rig.prepared()
        rig.stream.says(PRELOADED, encode(Kind.STDOUT, b"1"), ended())

        execution = await rig.sandbox.run()

        assert (execution.stdout, rig.sandbox.preloaded) == (b"1", False)

    async def test_saying_so_unasked_or_twice_is_a_lie(self, rig: Rig) -> None:
        rig.stream.says(PRELOADED)
        await rig.sandbox.preload()
        await rig.prepared()
        rig.stream.says(PRELOADED, ended())

        with pytest.raises(SandboxLostError, match="PRELOADED"):
            await rig.sandbox.run()

    @pytest.mark.parametrize(
        "said",
        [
            HELLO,
            encode_json(Kind.PRELOADED, {"modules": ["m"] * 101}),
            encode_json(Kind.PRELOADED, {}),
            b"",
        ],
        ids=["another-frame", "too-many", "without-modules", "end"],
    )
    async def test_anything_else_makes_it_unavailable(self, rig: Rig, said: bytes) -> None:
        rig.stream.says(said)

        with pytest.raises(SandboxUnavailableError, match="box"):
            await rig.sandbox.preload()
        assert not rig.sandbox.preloaded

    async def test_one_that_does_not_come_to_its_end_is_given_up(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(supervised_sandbox, "PRELOAD_TIMEOUT_S", 0.02)

        with pytest.raises(SandboxUnavailableError, match="not preloaded in time"):
            await rig.sandbox.preload()


class TestHandingOver:
    async def test_the_job_carries_program_and_limits(self, rig: Rig) -> None:
        program = dataclasses.replace(PYTHON, args=("a b", "$HOME", ""))

        await rig.sandbox.prepare(program, dataclasses.replace(LIMITS, extensions=("csv",)))

        assert rig.heard_json(Kind.JOB) == [
            {
                "language": "py",
                "args": ["a b", "$HOME", ""],
                "limits": {
                    "wall_time_s": 5,
                    "stdout_bytes": 100,
                    "stderr_bytes": 50,
                    "file_bytes": 1000,
                    "total_bytes": 1500,
                    "files": 3,
                    "depth": 10,
                    "path_chars": 256,
                    "open_files": 2048,
                },
                "extensions": ["csv"],
                "state": None,
            }
        ]
        assert rig.heard(Kind.SOURCE) == [b"print(1)"]

    async def test_the_program_is_not_started_before_run(self, rig: Rig) -> None:
        sandbox = await rig.prepared()
        await sandbox.put("a.csv", chunks(b"1"))
        assert rig.heard(Kind.RUN) == []

        rig.stream.says(ended())
        await sandbox.run()
        assert rig.stream.heard[-1].kind is Kind.RUN

    async def test_large_programs_and_pieces_are_cut_into_frames(self, rig: Rig) -> None:
        source = b"#" * (3 * CHUNK_BYTES + 1)
        await rig.sandbox.prepare(dataclasses.replace(PYTHON, source=source), LIMITS)
        await rig.sandbox.put("big", chunks(bytes(MAX_PAYLOAD_BYTES + 1), b"", b"end"))

        assert b"".join(rig.heard(Kind.SOURCE)) == source
        assert b"".join(rig.heard(Kind.DATA)) == bytes(MAX_PAYLOAD_BYTES + 1) + b"end"
        assert max(len(frame.payload) for frame in rig.stream.heard) == CHUNK_BYTES

    async def test_an_empty_input_is_a_file_without_data(self, rig: Rig) -> None:
        sandbox = await rig.prepared()

        await sandbox.put("empty.txt", chunks())

        assert rig.heard_json(Kind.FILE) == [{"name": "empty.txt", "read_only": False}]
        assert rig.heard(Kind.DATA) == []

    async def test_which_inputs_are_read_only_is_told(self, rig: Rig) -> None:
        sandbox = await rig.prepared()

        await sandbox.put("SKILL.md", chunks(b"1"), read_only=True)

        assert rig.heard_json(Kind.FILE) == [{"name": "SKILL.md", "read_only": True}]

    async def test_what_the_input_raises_passes_through(self, rig: Rig) -> None:
        sandbox = await rig.prepared()

        async def failing() -> AsyncGenerator[bytes]:
            yield b"first"
            raise LookupError("gone")

        with pytest.raises(LookupError, match="gone"):
            await sandbox.put("a", failing())

    async def test_one_that_takes_nothing_any_more_is_unavailable(self, rig: Rig) -> None:
        rig.stream.takes_nothing = True

        with pytest.raises(SandboxUnavailableError):
            await rig.prepared()

    async def test_one_whose_connection_broke_is_unavailable(self, rig: Rig) -> None:
        rig.stream.write_fault = BrokenPipeError("gone")

        with pytest.raises(SandboxUnavailableError):
            await rig.prepared()


class TestRunning:
    async def test_output_and_end_are_put_together(self, rig: Rig) -> None:
        sandbox = await rig.prepared()
        rig.stream.says(
            encode(Kind.STDOUT, b"a") + encode(Kind.STDERR, b"\xff"),
            encode(Kind.STDOUT, b"b\0"),
            ended(exit_code=3, stderr_cut=True),
        )

        execution = await sandbox.run()

        assert (execution.stdout, execution.stderr) == (b"ab\0", b"\xff")
        assert (execution.exit_code, execution.signal, execution.stopped) == (3, None, None)
        assert execution.stderr_cut
        assert execution.wall_time_ms == 12

    @pytest.mark.parametrize("stopped", list(Stopped))
    async def test_each_limit_has_its_word(self, rig: Rig, stopped: Stopped) -> None:
        words = {
            Stopped.TIME: "time",
            Stopped.STDOUT: "stdout",
            Stopped.MEMORY: "memory",
            Stopped.CALLS: "calls",
            Stopped.CALL_BYTES: "call_bytes",
        }
        sandbox = await rig.prepared()
        rig.stream.says(ended(exit_code=None, signal="SIGKILL", stopped=words[stopped]))

        assert (await sandbox.run()).stopped is stopped

    async def test_output_up_to_the_limits_is_taken(self, rig: Rig) -> None:
        sandbox = await rig.prepared()
        rig.stream.says(encode(Kind.STDOUT, bytes(100)), encode(Kind.STDERR, bytes(50)))
        rig.stream.says(ended())

        execution = await sandbox.run()

        assert (len(execution.stdout), len(execution.stderr)) == (100, 50)

    @pytest.mark.parametrize(
        ("kind", "size_bytes"), [(Kind.STDOUT, 101), (Kind.STDERR, 51)], ids=["out", "err"]
    )
    @pytest.mark.parametrize("pieces", [1, 2])
    async def test_a_byte_more_than_the_limit_is_a_lie(
        self, rig: Rig, kind: Kind, size_bytes: int, pieces: int
    ) -> None:
        sandbox = await rig.prepared()
        first = bytes(size_bytes - 1) if pieces == 2 else b""
        rig.stream.says(encode(kind, first), encode(kind, bytes(size_bytes - len(first))))

        with pytest.raises(SandboxLostError, match=kind.name):
            await sandbox.run()

    @pytest.mark.parametrize(
        "kind", [Kind.HELLO, Kind.OUTPUT, Kind.DATA, Kind.SUMMARY, Kind.JOB, Kind.RUN]
    )
    async def test_a_frame_that_does_not_belong_into_a_run_is_a_lie(
        self, rig: Rig, kind: Kind
    ) -> None:
        sandbox = await rig.prepared()
        rig.stream.says(encode(kind))

        with pytest.raises(SandboxLostError, match=kind.name):
            await sandbox.run()

    async def test_an_input_that_does_not_fit_is_refused_with_its_reason(
        self, rig: Rig
    ) -> None:
        sandbox = await rig.prepared()
        rig.stream.says(encode_json(Kind.REFUSED, {"reason": "No space left on device"}))

        with pytest.raises(SandboxRefusedError, match="No space left on device"):
            await sandbox.run()

    @pytest.mark.parametrize(
        "said", [b"", encode(Kind.STDOUT, b"half")[:-2]], ids=["at-once", "mid-frame"]
    )
    async def test_an_end_before_the_report_is_a_lost_sandbox(
        self, rig: Rig, said: bytes
    ) -> None:
        sandbox = await rig.prepared()
        rig.stream.says(said) if said else None
        rig.stream.ends()

        with pytest.raises(SandboxLostError, match="before its report"):
            await sandbox.run()

    async def test_a_broken_connection_is_a_lost_sandbox(self, rig: Rig) -> None:
        sandbox = await rig.prepared()
        rig.stream.breaks()

        with pytest.raises(SandboxLostError, match="broke"):
            await sandbox.run()

    async def test_an_engine_that_cannot_say_why_it_ended_makes_no_other_error(
        self, rig: Rig
    ) -> None:
        rig.oom_killed = SandboxUnavailableError("Docker: connection refused")
        sandbox = await rig.prepared()
        rig.stream.ends()

        with pytest.raises(SandboxLostError):
            await sandbox.run()

    async def test_the_engine_is_not_asked_about_one_that_merely_lies(self, rig: Rig) -> None:
        """Asking waits for the container's end, which is not near."""
        rig.oom_killed = True
        sandbox = await rig.prepared()
        rig.stream.says(b"\0\0\0\0\0")

        with pytest.raises(SandboxLostError):
            await sandbox.run()


class TestDestroying:
    async def test_it_closes_the_connection_and_removes_the_container(self, rig: Rig) -> None:
        await rig.sandbox.destroy()

        assert rig.stream.closed
        assert rig.destroyed == 1

    async def test_it_may_be_repeated(self, rig: Rig) -> None:
        await rig.sandbox.destroy()
        await rig.sandbox.destroy()


class TestUsedInTheWrongOrder:
    async def test_running_before_preparing_is_a_mistake_of_ours(self, rig: Rig) -> None:
        with pytest.raises(RuntimeError, match="prepare"):
            await rig.sandbox.run()
