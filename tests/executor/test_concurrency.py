"""Several things at once: which error comes out, and what is brought to its end."""

import asyncio

import pytest

from executor.concurrency import all_of, end, to_its_end

pytestmark = pytest.mark.anyio


class Step:
    """Something that takes until it is let go."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.ended = False
        self.cancelled = False

    async def take(self, value: int = 0) -> int:
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        self.ended = True
        return value


async def fail(error: Exception) -> int:
    await asyncio.sleep(0)
    raise error


class TestAllOf:
    async def test_results_come_in_the_order_of_the_work(self) -> None:
        async def after(steps: int) -> int:
            for _ in range(steps):
                await asyncio.sleep(0)
            return steps

        assert await all_of(after(steps) for steps in (5, 1, 3)) == [5, 1, 3]

    async def test_the_first_error_comes_out_alone_and_the_rest_is_cancelled(self) -> None:
        step = Step()

        with pytest.raises(LookupError, match="first"):
            await all_of([step.take(), fail(LookupError("first"))])

        assert step.cancelled


class TestToItsEnd:
    async def test_the_result_is_the_works(self) -> None:
        step = Step()
        step.may_end.set()

        assert await to_its_end(step.take(7)) == 7

    async def test_an_error_is_the_works(self) -> None:
        with pytest.raises(LookupError):
            await to_its_end(fail(LookupError()))

    @pytest.mark.parametrize("times", [1, 3])
    async def test_cancelled_however_often_the_work_is_done_first(self, times: int) -> None:
        step = Step()
        task = asyncio.create_task(to_its_end(step.take()))
        for _ in range(times):
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()

        step.may_end.set()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert step.ended

    async def test_cancelled_work_that_fails_is_only_cancelled(self) -> None:
        task = asyncio.create_task(to_its_end(fail(LookupError())))
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


class TestEnd:
    async def test_tasks_are_cancelled_and_awaited(self) -> None:
        steps = [Step(), Step()]
        tasks = [asyncio.create_task(step.take()) for step in steps]
        await asyncio.sleep(0)

        await end(tasks)

        assert all(task.cancelled() for task in tasks)

    async def test_one_that_swallows_the_first_cancellation_is_cancelled_again(self) -> None:
        async def stubborn() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)

        await end([task])

        assert task.cancelled()
