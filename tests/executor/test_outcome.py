"""How the end of a program is told: status, remark and stderr line (librechat-contract 6.1)."""

import dataclasses
from typing import Any

import pytest

from executor.messages import Finished, Stopped
from executor.outcome import finished
from executor.outputs import Kept
from executor.sandbox import Execution

NOTHING = Kept(files=(), deleted=("gone.csv",), skipped=(), skipped_count=2)


ENDED_WELL = Execution(
    exit_code=0,
    signal=None,
    stopped=None,
    wall_time_ms=88,
    stdout=b"",
    stderr=b"",
    stderr_cut=False,
)


def tell(**changes: Any) -> Finished:
    execution = dataclasses.replace(ENDED_WELL, **changes)
    return finished(execution, NOTHING, stderr_bytes=65_536)


def test_a_program_that_ends_by_itself_gets_no_remark() -> None:
    result = tell(exit_code=3, stdout=b"out", stderr=b"err")

    assert (result.exit_code, result.signal, result.stopped) == (3, None, None)
    assert (result.stdout, result.stderr, result.message) == ("out", "err", None)
    assert result.wall_time_ms == 88


def test_a_signal_of_its_own_is_no_limit() -> None:
    result = tell(exit_code=None, signal="SIGSEGV")

    assert (result.exit_code, result.signal) == (None, "SIGSEGV")
    assert (result.stopped, result.message, result.stderr) == (None, None, "")


@pytest.mark.parametrize(
    ("stopped", "status", "remark"),
    [
        (Stopped.TIME, "TO", "Time limit exceeded"),
        (Stopped.STDOUT, "OL", "stdout length exceeded"),
        (Stopped.MEMORY, "SG", "Out of memory"),
    ],
)
@pytest.mark.parametrize("exit_code", [None, 137])
def test_each_limit_has_its_status_remark_and_line(
    stopped: Stopped, status: str, remark: str, exit_code: int | None
) -> None:
    result = tell(exit_code=exit_code, stopped=stopped, stderr=b"so far")

    assert result.stopped == status
    assert (result.exit_code, result.signal) == (None, "SIGKILL")
    assert result.message == remark
    assert result.stderr == f"so far\n[sandbox] {remark}\n"


def test_a_cut_stderr_is_said_but_nothing_was_killed() -> None:
    result = tell(exit_code=0, stderr=b"x", stderr_cut=True)

    assert (result.exit_code, result.signal, result.stopped) == (0, None, None)
    assert result.message == "stderr truncated at 65536 bytes"
    assert result.stderr == "x\n[sandbox] stderr truncated at 65536 bytes\n"


def test_the_limit_that_ended_the_program_is_the_remark_if_stderr_was_cut_too() -> None:
    result = tell(exit_code=None, stopped=Stopped.TIME, stderr_cut=True)

    assert result.message == "Time limit exceeded"


def test_bytes_that_are_no_text_are_replaced() -> None:
    result = tell(stdout=b"a\xff\x00\xe2\x82", stderr=b"\xed\xa0\x80")

    assert result.stdout == "a\ufffd\0\ufffd"
    assert "\ud800" not in result.stderr
    assert Finished.model_validate_json(result.model_dump_json()) == result


def test_what_was_kept_is_passed_on() -> None:
    result = tell()

    assert result.deleted_files == ("gone.csv",)
    assert result.skipped_count == 2
