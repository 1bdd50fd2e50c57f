"""What a run reports when the service fails, and that nothing stays behind then."""

import asyncio

import pytest

from executor.messages import Failed, FailureKind, Finished, RunReport
from executor.run import RunTakenError
from executor.sandbox import SandboxUnavailableError
from tests.executor.eventually import eventually
from tests.executor.workbench import TENANT, Workbench, request, workbench

pytestmark = pytest.mark.anyio

TEN_FILES = "for n in 0 1 2 3 4 5 6 7 8 9; do echo $n > $n.txt; done"


class TestSandboxes:
    async def test_an_engine_that_is_down_makes_sandboxes_unavailable(
        self, bench: Workbench
    ) -> None:
        bench.engine.fault = SandboxUnavailableError("Docker: connection refused")

        assert await bench.failure("true") is FailureKind.SANDBOX_UNAVAILABLE

    @pytest.mark.parametrize("method", ["prepare", "put"])
    async def test_one_that_broke_before_the_program_began_is_replaced(
        self, bench: Workbench, method: str
    ) -> None:
        uploaded = await bench.upload("data.csv", b"1,2")
        bench.engine.next_breaks_in = [method]

        result = await bench.run("cat data.csv", uploaded)

        assert result.stdout == "1,2"
        assert len(bench.engine.made) == 2

    @pytest.mark.parametrize("method", ["prepare", "put"])
    async def test_one_replacement_is_enough(self, bench: Workbench, method: str) -> None:
        uploaded = await bench.upload("data.csv")
        bench.engine.next_breaks_in = [method, method, method]

        assert await bench.failure("true", uploaded) is FailureKind.SANDBOX_UNAVAILABLE
        assert len(bench.engine.made) == 2

    async def test_one_that_broke_while_the_program_ran_is_lost_and_not_replaced(
        self, bench: Workbench
    ) -> None:
        bench.engine.next_breaks_in = ["run"]

        assert await bench.failure("true") is FailureKind.SANDBOX_LOST
        assert len(bench.engine.made) == 1
        assert bench.store.calls == []

    async def test_one_lost_while_its_files_are_read_leaves_nothing_stored(
        self, bench: Workbench
    ) -> None:
        bench.engine.next_breaks_in = ["outputs"]

        assert await bench.failure(TEN_FILES) is FailureKind.SANDBOX_LOST
        assert bench.store.keys == set()

    async def test_a_storage_that_is_down_as_well_does_not_hide_it(
        self, bench: Workbench
    ) -> None:
        bench.engine.next_breaks_in = ["outputs"]
        bench.store.deleting_faults = True

        assert await bench.failure(TEN_FILES) is FailureKind.SANDBOX_LOST


class TestInputs:
    async def test_bytes_that_are_gone_make_the_input_unavailable(
        self, bench: Workbench
    ) -> None:
        gone = await bench.upload("data.csv")
        await bench.sessions.delete(TENANT, gone.storage_session_id)

        assert await bench.failure("true", gone) is FailureKind.INPUT_UNAVAILABLE

    async def test_storage_that_does_not_answer_is_unavailable(self, bench: Workbench) -> None:
        uploaded = await bench.upload("data.csv")
        bench.store.opening_faults = True

        assert await bench.failure("true", uploaded) is FailureKind.STORAGE_UNAVAILABLE

    async def test_inputs_larger_than_the_workspace_cost_no_sandbox(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv")
        huge = uploaded.model_copy(update={"size_bytes": 60 * 1024 * 1024})
        other = huge.model_copy(update={"name": "other.csv"})

        assert await bench.failure("true", huge, other) is FailureKind.INPUT_TOO_LARGE
        assert bench.engine.made == []

    async def test_inputs_that_turn_out_larger_are_refused_by_the_sandbox(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv", bytes(101 * 1024 * 1024))
        understated = uploaded.model_copy(update={"size_bytes": 1})

        assert await bench.failure("true", understated) is FailureKind.INPUT_TOO_LARGE


class TestDeadline:
    async def test_a_message_found_after_it_is_dropped_without_a_sandbox(
        self, bench: Workbench
    ) -> None:
        assert await bench.failure("true", wait_s=-1) is FailureKind.DEADLINE_EXCEEDED
        for _ in range(10):
            await asyncio.sleep(0)
        assert bench.engine.made == []

    async def test_a_program_still_running_at_it_is_ended(self, bench: Workbench) -> None:
        kind = await bench.failure("sleep 60", wait_s=0.5)

        assert kind is FailureKind.DEADLINE_EXCEEDED
        await eventually(lambda: bench.engine.living == [])

    async def test_outputs_that_take_too_long_are_discarded(self, bench: Workbench) -> None:
        bench.store.open_for_puts.clear()

        kind = await bench.failure(TEN_FILES, wait_s=1)

        assert kind is FailureKind.DEADLINE_EXCEEDED
        assert bench.store.keys == set()


class TestCancellation:
    async def test_it_ends_the_program_and_destroys_the_sandbox(self, bench: Workbench) -> None:
        run = asyncio.create_task(bench.report(request("sleep 60")))
        await eventually(lambda: len(bench.engine.made) == 1)

        run.cancel()

        with pytest.raises(asyncio.CancelledError):
            await run
        await eventually(lambda: bench.engine.living == [])

    async def test_what_was_stored_is_discarded(self, bench: Workbench) -> None:
        asked = request(TEN_FILES)
        bench.store.open_for_puts.clear()
        run = asyncio.create_task(bench.report(asked))
        await eventually(lambda: len(bench.store.puts) > 0)

        run.cancel()

        with pytest.raises(asyncio.CancelledError):
            await run
        assert bench.store.keys == set()
        assert bench.store.calls[-1] == ("delete_prefix", f"{TENANT}/{asked.session_id}/")

    @pytest.mark.parametrize("since", ["the-start", "the-first-output"])
    async def test_wherever_it_strikes_no_sandbox_and_no_half_session_is_left(
        self, since: str
    ) -> None:
        """Cancelled after each number of steps of the event loop, one run after the other."""
        finished = 0
        for steps in range(60):
            async with workbench(pool_size=1) as bench:
                uploaded = await bench.upload("data.csv")
                uploads = set(bench.store.keys)
                run = asyncio.create_task(bench.report(request("touch a b", uploaded)))
                if since == "the-first-output":
                    bench.store.open_for_puts.clear()
                    await eventually(lambda: len(bench.store.puts) > 0)
                    bench.store.open_for_puts.set()
                for _ in range(steps):
                    await asyncio.sleep(0)
                run.cancel()
                (outcome,) = await asyncio.gather(run, return_exceptions=True)
                if isinstance(outcome, RunReport):
                    assert isinstance(outcome.result, Finished)
                    finished += 1
                else:
                    assert isinstance(outcome, asyncio.CancelledError)
                    assert bench.store.keys == uploads

        if since == "the-first-output":
            assert 0 < finished < 60  # The sweep reached from one end to the other.


class TestReports:
    async def test_a_failure_is_reported_under_the_runs_id(self, bench: Workbench) -> None:
        asked = request("true", wait_s=-1)

        report = await bench.report(asked)

        assert report.run_id == asked.run_id
        assert report.result == Failed(kind=FailureKind.DEADLINE_EXCEEDED)

    async def test_an_error_that_nobody_named_is_not_made_into_a_result(
        self, bench: Workbench
    ) -> None:
        bench.engine.fault = KeyError("a bug of ours")

        with pytest.raises(KeyError):
            await bench.report(request("true"))


class TestRunThatWasBegunBefore:
    async def test_nothing_of_it_is_run(self, bench: Workbench) -> None:
        async def no() -> bool:
            return False

        asked = request("touch ran.txt")

        with pytest.raises(RunTakenError):
            await bench.runner.run(asked, is_ours=no())

        assert bench.store.calls == []
