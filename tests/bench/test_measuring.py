"""The parts of the bench that decide what is measured, and what counts as an answer."""

import pytest

from executor.signs_of_life import ExecutorStatus
from tests.bench.case_big_file import throughput
from tests.bench.case_csv import INPUT_BYTES, tables
from tests.bench.case_load import Load
from tests.bench.cases import interleaved
from tests.bench.catalogue import CASES, by_service, chosen
from tests.bench.programs import (
    HELLO,
    PANDAS,
    PNG_END,
    PNG_START,
    PROGRAMS,
    Program,
    require_chart,
    require_success,
)
from tests.bench.reports import WrongAnswerError
from tests.bench.rest import is_at_rest
from tests.bench.server_timing import steps, storage_ms, typical_steps


class TestCases:
    def test_their_names_are_distinct(self) -> None:
        names = [case.name for case in CASES]

        assert len(names) == len(set(names))

    def test_all_are_measured_unless_some_are_asked_for(self) -> None:
        assert chosen([], is_short=False, of_others=False) == list(CASES)
        assert [case.name for case in chosen(["bash"], is_short=False, of_others=False)] == [
            "bash"
        ]

    def test_the_short_form_leaves_out_what_takes_long_unless_it_is_asked_for(self) -> None:
        usual = {case.name for case in chosen([], is_short=True, of_others=False)}

        assert "hello" in usual
        assert "scale" not in usual
        assert len(chosen(["scale"], is_short=True, of_others=False)) == 1

    def test_a_service_of_others_is_not_looked_into(self) -> None:
        names = {case.name for case in chosen([], is_short=False, of_others=True)}

        assert "chart" in names
        assert "memory" not in names

    def test_each_kind_of_service_is_started_once(self) -> None:
        groups = by_service(CASES)

        assert [settings["SANDBOX_POOL_SIZE"] for settings, _ in groups] == ["2", "0", "4"]
        assert [case for _, cases in groups for case in cases] == list(CASES)


class TestInterleaving:
    def test_ours_and_the_baseline_take_turns(self) -> None:
        turns: list[str] = []

        def measure(name: str) -> float:
            turns.append(name)
            return len(turns)

        series = interleaved(
            3, lambda: measure("ours"), lambda: measure("baseline"), lambda _: None
        )

        assert turns == ["ours", "baseline"] * 3
        assert series == ((1, 3, 5), (2, 4, 6))


class TestAnswers:
    def test_every_run_has_a_word_of_its_own(self) -> None:
        first, second = HELLO.marked(), HELLO.marked()

        assert first != second
        assert first[1] in first[0]

    def test_what_the_program_prints_is_right(self) -> None:
        HELLO.require("hello 42 abc\n", "abc")
        PANDAS.require(
            "city\nKyiv    9.0\nLund    8.5\nOslo    6.5\n"
            "Name: temperature, dtype: float64\nabc\n",
            "abc",
        )

    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
    @pytest.mark.parametrize("stdout", ["", "abc", "hello 42 xyz\n", "hello 41 abc\n"])
    def test_anything_else_is_wrong(self, program: Program, stdout: str) -> None:
        with pytest.raises(WrongAnswerError):
            program.require(stdout, "abc")

    @pytest.mark.parametrize(
        "how",
        [
            {"code": 1, "signal": None, "status": None},
            {"code": None, "signal": "SIGKILL", "status": None},
            {"code": 0, "signal": None, "status": "TO"},
        ],
    )
    def test_a_program_that_failed_is_no_answer(self, how: dict[str, object]) -> None:
        with pytest.raises(WrongAnswerError):
            require_success({**how, "stderr": "it broke"})

    def test_a_chart_is_a_whole_picture(self) -> None:
        require_chart(PNG_START + bytes(10_000) + PNG_END)
        for wrong in (b"", PNG_START + PNG_END, bytes(20_000), PNG_START + bytes(10_000)):
            with pytest.raises(WrongAnswerError):
                require_chart(wrong)

    def test_the_table_is_as_large_as_it_is_said_to_be(self) -> None:
        source, result, rows = tables()

        assert INPUT_BYTES <= len(source) < INPUT_BYTES + 100
        assert 3_500_000 < len(result) < 4_500_000
        assert source.count(b"\n") == result.count(b"\n") == rows + 1


class TestServerTiming:
    def test_steps_are_read_with_their_durations(self) -> None:
        header = 'queue;dur=1.5, cache, inputs;desc="of S3";dur=2, inputs;dur=0.5, run;DUR="7"'

        assert steps(header) == {"queue": 1.5, "inputs": 2.5, "run": 7.0}
        assert steps("") == {}

    def test_what_storage_took_is_added_up(self) -> None:
        assert storage_ms("inputs;dur=2, outputs;dur=3, run;dur=50") == 5
        assert storage_ms("run;dur=50") is None
        assert storage_ms("") is None

    def test_several_answers_are_told_by_the_median_of_each_step(self) -> None:
        headers = ["claim;dur=1, run;dur=5", "claim;dur=2", "claim;dur=9, run;dur=6"]

        assert typical_steps(headers) == {"steps": "claim 2, run 5 ms"}
        assert typical_steps(["", ""]) == {}


class TestLoad:
    def test_the_rate_counts_what_ended_within_the_window(self) -> None:
        load = Load(ends=[1, 2, 3, 3.5, 4, 9])

        assert load.rate(2, 4) == 1.5

    def test_throughput_is_in_millions_of_bytes_a_second(self) -> None:
        assert throughput(40_000_000, 500) == 80


class TestRest:
    REST = ExecutorStatus(
        instance_id="a",
        host="a",
        engine="up",
        ready_sandboxes=2,
        preloaded_sandboxes=1,
        running=0,
        capacity=4,
    )

    def test_a_full_pool_with_nothing_to_do_is_at_rest(self) -> None:
        assert is_at_rest([self.REST], pool_size=2, preloaded=1)

    @pytest.mark.parametrize(
        "change",
        [
            {"ready_sandboxes": 1},
            {"preloaded_sandboxes": 0},
            {"making_sandboxes": 1},
            {"removing_sandboxes": 1},
            {"running": 1},
        ],
    )
    def test_anything_else_is_not(self, change: dict[str, int]) -> None:
        busy = self.REST.model_copy(update=change)

        assert not is_at_rest([self.REST, busy], pool_size=2, preloaded=1)

    def test_of_a_pool_that_is_empty_nothing_is_preloaded(self) -> None:
        empty = self.REST.model_copy(update={"ready_sandboxes": 0, "preloaded_sandboxes": 0})

        assert is_at_rest([empty], pool_size=0, preloaded=1)
