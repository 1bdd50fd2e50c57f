"""What a run's report says of its steps."""

import pytest
from pydantic import ValidationError

from executor.messages import (
    LONGEST_STEP_MS,
    Failed,
    FailureKind,
    Finished,
    RunReport,
    StepTimes,
)
from executor.steps import Steps
from tests.executor.workbench import Workbench, request

pytestmark = pytest.mark.anyio


class Clock:
    """Shows what the test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class TestStopwatch:
    def test_what_happens_belongs_to_the_step_that_ends_next(self) -> None:
        clock = Clock()
        steps = Steps(clock)

        clock.now_s += 0.25
        steps.end("open")
        clock.now_s += 1.5
        steps.end("claim")

        assert steps.times == StepTimes(open=250, claim=1500)

    def test_a_step_that_is_done_twice_counts_twice(self) -> None:
        clock = Clock()
        steps = Steps(clock)

        for _ in range(2):
            clock.now_s += 0.5
            steps.end("claim")

        assert steps.times.claim == 1000

    def test_a_program_lies_within_its_run(self) -> None:
        clock = Clock()
        steps = Steps(clock)

        clock.now_s += 0.5
        steps.end("run")
        steps.note_program(400)

        assert steps.times.program == 400
        assert steps.times.in_executor_ms == 500

    @pytest.mark.parametrize(("claimed_ms", "told_ms"), [(-1, 0), (1e18, LONGEST_STEP_MS)])
    def test_what_a_sandbox_claims_is_cut_to_what_a_report_may_hold(
        self, claimed_ms: float, told_ms: float
    ) -> None:
        steps = Steps()

        steps.note_program(claimed_ms)

        assert steps.times.program == told_ms


class TestReports:
    def test_one_of_an_older_executor_is_read(self) -> None:
        report = RunReport.model_validate(
            {"run_id": "r", "result": {"outcome": "failed", "kind": "cancelled"}}
        )

        assert report.steps == StepTimes()
        assert report.begun_at is None

    def test_one_of_a_newer_executor_is_read_as_far_as_it_is_known(self) -> None:
        assert StepTimes.model_validate({"run": 5, "thaw": 7}) == StepTimes(run=5)

    @pytest.mark.parametrize("ms", [-1, float("nan"), float("inf"), LONGEST_STEP_MS * 2, "x"])
    def test_a_time_that_cannot_be_is_no_report(self, ms: object) -> None:
        with pytest.raises(ValidationError):
            StepTimes.model_validate({"run": ms})


class TestARun:
    async def test_says_what_each_of_its_steps_took(self, bench: Workbench) -> None:
        table = await bench.upload("table.csv", b"1,2\n")

        report = await bench.report(request("sleep 0.2; echo 3 > new.txt", table))

        assert isinstance(report.result, Finished)
        told = report.steps
        assert told.run >= told.program >= 200
        for step in ("open", "claim", "prepare", "inputs", "outputs", "record"):
            assert 0 < getattr(told, step) < 10_000, step
        assert (told.send, told.queue, told.reply) == (0, 0, 0)

    async def test_says_so_as_well_when_it_fails(self, bench: Workbench) -> None:
        bench.engine.next_breaks_in = ["run"]

        report = await bench.report(request("echo"))

        assert report.result == Failed(kind=FailureKind.SANDBOX_LOST)
        assert report.steps.claim > 0
        assert report.steps.run == 0

    async def test_says_when_it_was_taken_up(self, bench: Workbench) -> None:
        sent = request("echo", wait_s=60)

        report = await bench.report(sent)

        assert report.begun_at is not None
        assert 0 < sent.deadline - report.begun_at <= 60
