"""How the end of a program is told: status, remark and stderr line (librechat-contract 6.1)."""

import dataclasses
from typing import Any

import pytest

from executor.messages import Delivery, Finished, SkippedFile, Stopped
from executor.outcome import finished
from executor.outputs import Kept
from executor.sandbox import Execution
from sandbox.supervisor.skips import HARMLESS, SkipReason, Skips
from tests.executor.workbench import LIMITS

NOTHING = Kept(deleted=("gone.csv",), skips=Skips())


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
    return finished(execution, NOTHING, LIMITS)


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


class TestFilesThatAreNotKept:
    """Clients show a model stderr, and no other field that could tell it."""

    def test_each_that_somebody_would_miss_is_named_with_its_reason(self) -> None:
        result = tell_of(("big.bin", SkipReason.FILE_TOO_LARGE), ("x", SkipReason.TOTAL_SIZE))

        assert result.stderr == (
            "said\n[sandbox] 2 files were not kept: big.bin (larger than 52428800 bytes),"
            " x (more than 104857600 bytes in all)\n"
        )
        assert result.skipped == (
            SkippedFile(name="big.bin", reason="file_too_large"),
            SkippedFile(name="x", reason="total_size"),
        )
        assert (result.skipped_count, result.message) == (2, None)
        assert result.skip_reasons == ("file_too_large", "total_size")

    @pytest.mark.parametrize("reason", sorted(set(SkipReason) - HARMLESS))
    def test_every_reason_has_its_words(self, reason: SkipReason) -> None:
        result = tell_of(("a", reason))

        assert result.stderr.startswith("said\n[sandbox] 1 file was not kept: a (")
        assert "_" not in result.stderr

    @pytest.mark.parametrize("reason", sorted(HARMLESS))
    def test_what_is_harmless_is_counted_and_not_said(self, reason: SkipReason) -> None:
        result = tell_of(("a", reason))

        assert result.stderr == "said"
        assert (result.skipped_count, result.skip_reasons) == (1, (reason,))

    def test_a_few_names_are_enough(self) -> None:
        result = tell_of(*((f"f{n}", SkipReason.TOO_MANY_FILES) for n in range(100)))

        assert "100 files were not kept: f0 (more than 50 files), f1 " in result.stderr
        assert result.stderr.endswith("f4 (more than 50 files) and 95 more\n")
        assert len(result.skipped) == 20

    def test_it_stands_beside_the_remark_about_the_program(self) -> None:
        execution = dataclasses.replace(ENDED_WELL, stopped=Stopped.TIME)
        skips = Skips()
        skips.add("big.bin", SkipReason.FILE_TOO_LARGE)

        result = finished(execution, Kept(skips=skips), LIMITS)

        first, second = result.stderr.strip().splitlines()
        assert first == "[sandbox] Time limit exceeded"
        assert second.startswith("[sandbox] 1 file was not kept: big.bin")
        assert result.message == "Time limit exceeded"

    def test_lost_files_are_named_as_well(self) -> None:
        kept = Kept(skips=Skips(), lost=("a", "b"), delivery=Delivery(attempted=3, delivered=1))

        result = finished(ENDED_WELL, kept, LIMITS)

        assert "2 files were lost, because storage failed: a, b; run the" in result.stderr
        assert result.delivery == Delivery(attempted=3, delivered=1)


def tell_of(*skipped: tuple[str, SkipReason]) -> Finished:
    skips = Skips()
    for name, reason in skipped:
        skips.add(name, reason)
    execution = dataclasses.replace(ENDED_WELL, stderr=b"said")
    return finished(execution, Kept(skips=skips), LIMITS)
