"""Several things at once, and one error out of them."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_AGAIN_S = 0.1


@asynccontextmanager
async def task_group() -> AsyncGenerator[asyncio.TaskGroup]:
    """A task group that raises its first error itself, not a group with that error in it.

    The callers' `except` clauses name single errors, and the other tasks are cancelled anyway.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as faults:
        raise _first(faults) from None


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of `work` side by side; return the results in order.

    Raises:
        Exception: The first error; the rest of the work is cancelled and awaited.
    """
    async with task_group() as group:
        tasks = [group.create_task(piece) for piece in work]
    return [task.result() for task in tasks]


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel `tasks`, and wait until every one of them has ended.

    Once is not enough: Python 3.11's `asyncio.wait_for`, with which redis-py sends, swallows a
    cancellation that arrives together with its result.
    """
    ending = set(tasks)
    while ending:
        for task in ending:
            task.cancel()
        _, ending = await asyncio.wait(ending, timeout=CANCEL_AGAIN_S)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end, however often this is cancelled meanwhile; raise that then.

    For what must not be left half done: a container that nobody knows of.

    Raises:
        asyncio.CancelledError: It was cancelled. What `work` raised or returned is lost.
        Exception: What `work` raised.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if not cancelled:
        return task.result()
    if not task.cancelled():
        task.exception()  # Taken note of; else the loop complains that nobody did.
    raise asyncio.CancelledError


def _first(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    fault = faults.exceptions[0]
    return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
