"""Runs wait for their turn, have it, and give it back, whatever happens to them meanwhile."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dispatch import DispatchError, QueueFullError, RunTimedOutError, TenantQueueFullError
from api.turns import (
    UNKNOWN_WINDOW,
    QueueLimits,
    Window,
    compiled_window_for,
    window_for,
)
from tests.api.service import executor_status
from tests.api.turns_crowd import AMPLE, Run, crowd, settled

pytestmark = pytest.mark.anyio


class TestWaiting:
    async def test_nobody_waits_while_there_is_room(self) -> None:
        async with crowd(window=3) as here:
            runs = await here.come(*["acme/ann"] * 4)

            assert [run.is_out for run in runs] == [True, True, True, False]
            assert (here.turns.out, here.turns.waiting) == (3, 1)

    async def test_a_run_that_ends_makes_room_for_the_next(self) -> None:
        async with crowd(window=1) as here:
            first, second, third = await here.come(*["acme/ann"] * 3)
            first.over.set()
            await settled()

            assert [run.is_out for run in (second, third)] == [True, False]

    async def test_one_run_of_another_tenant_is_next_after_a_flood(self) -> None:
        async with crowd(window=6) as here:
            flood = await here.come(*["flood/f"] * 200)
            (other,) = await here.come("acme/ann")
            flood[0].over.set()
            await settled()

            assert other.is_out
            assert sum(run.is_out for run in flood) == 5

    async def test_one_run_of_another_user_is_next_after_a_flood(self) -> None:
        async with crowd(window=6) as here:
            flood = await here.come(*["acme/flood"] * 200)
            (other,) = await here.come("acme/ann")
            flood[3].over.set()
            await settled()

            assert other.is_out

    async def test_a_run_that_fails_gives_its_turn_back(self) -> None:
        async with crowd(window=1) as here:
            with pytest.raises(DispatchError):
                async with here.turns.turn("acme", "ann"):
                    raise DispatchError("its executor was lost")

            (run,) = await here.come("acme/bob")
            assert run.is_out

    async def test_one_that_waits_too_long_is_told_and_holds_up_nobody(self) -> None:
        async with crowd(window=1, limits=AMPLE._replace(wait_s=0.05)) as here:
            first, late = await here.come("acme/ann", "acme/bob")

            with pytest.raises(RunTimedOutError, match=r"no turn came in 0\.05 s"):
                await late.task
            first.over.set()
            (third,) = await here.come("acme/cleo")

            assert third.is_out

    async def test_who_leaves_in_the_moment_of_its_turn_passes_it_on(self) -> None:
        async with crowd(window=1) as here:
            async with here.turns.turn("acme", "a"):
                second, third = await here.come("acme/b", "acme/c")
            assert here.turns.waiting == 1, "the second has its turn, and does not know yet"
            second.task.cancel()
            await settled()

            assert not second.began.is_set()
            assert third.is_out


class TestWindow:
    def test_it_is_what_executors_run_and_some_more(self) -> None:
        four = executor_status()

        assert window_for([]) == (UNKNOWN_WINDOW, 0, 0)
        assert window_for([four.model_copy(update={"capacity": 1})]) == (1, 1, 0)
        assert window_for([four]) == (4, 2, 0)
        assert window_for([four, four, four]) == (12, 6, 0)

    def test_spare_slots_are_those_of_all_who_take_runs(self) -> None:
        one = executor_status().model_copy(update={"spare_capacity": 1})
        ending = one.model_copy(update={"accepting": False})

        assert window_for([one, one, ending]) == (8, 4, 2)

    def test_of_compiled_languages_fewer_are_out_than_run(self) -> None:
        four = executor_status().model_copy(update={"spare_capacity": 1})

        def window(*capacities: int) -> Window:
            return compiled_window_for(
                [four.model_copy(update={"capacity": each}) for each in capacities]
            )

        assert [sum(window(*all_)) for all_ in ([1], [2], [4], [4, 4])] == [1, 1, 3, 6]
        assert window() == (UNKNOWN_WINDOW, 0, 0)

    def test_who_takes_no_runs_has_no_room_for_any(self) -> None:
        four = executor_status()
        ending = four.model_copy(update={"accepting": False})

        assert window_for([four, ending]) == window_for([four])
        assert compiled_window_for([four, ending]) == compiled_window_for([four])

    async def test_a_wider_one_lets_more_out_at_once(self) -> None:
        async with crowd(window=1) as here:
            runs = await here.come(*["acme/ann"] * 5)
            here.turns.widen(Window(3))
            await settled()

            assert [run.is_out for run in runs] == [True, True, True, False, False]

    async def test_a_smaller_one_ends_nothing_and_lets_nobody_out(self) -> None:
        async with crowd(window=3) as here:
            runs = await here.come(*["acme/ann"] * 4)
            here.turns.widen(Window(1))
            runs[0].over.set()
            await settled()

            assert [run.is_out for run in runs] == [False, True, True, False]


class TestLimits:
    LIMITS = QueueLimits(runs=5, runs_per_tenant=3, wait_s=60)

    async def test_of_a_tenant_wait_as_many_as_may(self) -> None:
        async with crowd(window=2, limits=self.LIMITS) as here:
            *accepted, refused = await here.come(*["acme/ann"] * 6)

            with pytest.raises(TenantQueueFullError) as fault:
                await refused.task
            assert fault.value.limit == 3
            assert not any(run.task.done() for run in accepted)

    async def test_of_all_wait_as_many_as_may(self) -> None:
        async with crowd(window=1, limits=self.LIMITS) as here:
            *accepted, refused = await here.come("a/u", *[f"{name}/u" for name in "abcdef"])

            with pytest.raises(QueueFullError):
                await refused.task
            assert not any(run.task.done() for run in accepted)

    async def test_a_user_with_little_takes_the_place_of_a_floods_newest(self) -> None:
        async with crowd(window=1, limits=self.LIMITS) as here:
            *flood, floods_last = await here.come(*["acme/flood"] * 4)
            (ann,) = await here.come("acme/ann")

            with pytest.raises(TenantQueueFullError):
                await floods_last.task
            assert await here.served() == ["acme/flood", "acme/ann"]
            assert all(run.task.done() for run in (*flood, ann))

    async def test_who_is_refused_and_leaves_at_once_is_no_trouble(self) -> None:
        async with crowd(window=1, limits=self.LIMITS) as here:
            *_, floods_last = await here.come(*["acme/flood"] * 4)
            ann = Run(here.turns, "acme/ann")
            await asyncio.sleep(0)
            floods_last.task.cancel()
            here.runs.append(ann)
            with suppress(asyncio.CancelledError, TenantQueueFullError):
                await floods_last.task

            assert here.turns.waiting == 3


async def _any_course(steps: list[tuple[str, int]], limits: QueueLimits) -> None:
    async with crowd(window=1, limits=limits) as here:
        window, widest = 1, 1
        for step, number in steps:
            out = [run for run in here.runs if run.is_out]
            alive = [run for run in here.runs if not run.task.done()]
            if step == "come":
                here.runs.append(Run(here.turns, f"{'ab'[number % 2]}/{'xyz'[number % 3]}"))
            elif step == "end" and out:
                out[number % len(out)].over.set()
            elif step == "cancel" and alive:
                alive[number % len(alive)].task.cancel()
            elif step == "window":
                window = number % 4
                here.turns.widen(Window(window))
            elif step == "settle":
                await settled()
            elif step == "pause":
                await asyncio.sleep(0)
            # One more than may be is out only where the window was made smaller.
            widest = max(window, min(widest, here.turns.out))
            assert here.turns.out <= widest
            assert here.turns.waiting <= limits.runs

        await settled()
        running = [run for run in here.runs if run.is_out]
        alive = [run for run in here.runs if not run.task.done()]
        assert here.turns.out == len(running)
        assert here.turns.waiting == len(alive) - len(running)
        assert not here.turns.waiting or here.turns.out >= window, "a turn is lost"
        if window:
            await here.served()
            assert all(run.task.done() for run in here.runs), "somebody was never called"
            for run in here.runs:
                fault = None if run.task.cancelled() else run.task.exception()
                assert fault is None or isinstance(fault, QueueFullError | TenantQueueFullError)


STEPS = st.tuples(
    st.sampled_from(["come", "come", "end", "cancel", "window", "settle", "pause"]),
    st.integers(0, 11),
)


class TestAnyCourse:
    @given(st.lists(STEPS, max_size=60), st.integers(1, 6), st.integers(1, 4))
    def test_turns_are_never_too_many_and_none_is_lost(
        self, steps: list[tuple[str, int]], most: int, most_of_tenant: int
    ) -> None:
        limits = QueueLimits(runs=most, runs_per_tenant=most_of_tenant, wait_s=60)

        asyncio.run(_any_course(steps, limits))
