"""Programs that wait: frozen, for a while, not too many, and nobody's for another's."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest

from executor.held import FREEZE_AFTER_S, Held
from executor.messages import Failed, FailureKind, Finished, RunReport, RunRequest
from executor.programmatic import ProgrammaticRunner
from executor.tool_messages import CallResult, RoundRequest, ToolFunction, Waiting
from storage.ids import new_id
from tests.executor.eventually import eventually
from tests.executor.workbench import Workbench, workbench

pytestmark = pytest.mark.anyio


class Desk:
    """A runner of programs with tools, and the sandboxes that it uses."""

    def __init__(self, bench: Workbench, *, most: int = 4, most_of_tenant: int = 3) -> None:
        self.bench = bench
        self.held = Held(most=most, most_of_tenant=most_of_tenant, retire=bench.pool.retire)
        self.runner = ProgrammaticRunner(
            runner=bench.runner, held=self.held, instance_id="here"
        )

    async def begin(
        self, rounds: int = 1, *, tenant: str = "a", tool: str = "now"
    ) -> RunReport:
        """Begin a program that waits so many times, for a tool if it has one."""
        return await self.runner.begin(
            RunRequest(
                run_id=new_id(),
                session_id=new_id(),
                tenant=tenant,
                user="user",
                language="py",
                code=str(rounds),
                tools=(ToolFunction(name=tool),) if tool else (),
                deadline=time.time() + 30,
            )
        )

    async def answer(self, begun: RunReport, number: int = 1) -> object:
        """Answer a call; return what came of it."""
        report = await self.runner.carry_on(
            RoundRequest(
                run_id=new_id(),
                held_run_id=begun.run_id,
                results=(CallResult(number=number, text="1"),),
                deadline=time.time() + 30,
            )
        )
        return report.result


MakeDesk = Callable[..., Desk]


@pytest.fixture
async def make() -> AsyncGenerator[MakeDesk]:
    """Makes a desk; at the end nothing of what waits there may be left."""
    desks: list[Desk] = []
    async with workbench() as bench:

        def make(**caps: int) -> Desk:
            desks.append(Desk(bench, **caps))
            return desks[-1]

        yield make
        for desk in desks:
            desk.held.close()


async def test_a_program_waits_with_its_sandbox_and_goes_on_in_it(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin(rounds=2)

    assert isinstance(begun.result, Waiting)
    assert [call.number for call in begun.result.calls] == [1]
    assert len(desk.held) == 1
    assert isinstance(await desk.answer(begun, 1), Waiting)
    assert isinstance(await desk.answer(begun, 2), Finished)
    assert len(desk.held) == 0
    (used,) = [sandbox for sandbox in desk.bench.engine.made if sandbox.answered]
    await eventually(lambda: used.destroyed)


async def test_it_is_frozen_soon_and_thawed_before_it_goes_on(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin()
    await eventually(lambda: any(each.frozen for each in desk.bench.engine.living))

    assert isinstance(await desk.answer(begun), Finished)


async def test_one_that_goes_on_at_once_is_never_frozen(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin(rounds=2)
    await desk.answer(begun, 1)
    program = desk.held.take(begun.run_id)
    assert program is not None
    program.give_up()
    await asyncio.sleep(1.5 * FREEZE_AFTER_S)  # Nothing happens: there is no event to await.

    assert not any(each.frozen for each in desk.bench.engine.living)
    desk.bench.pool.retire(program.sandbox)


async def test_an_answer_that_it_has_had_changes_nothing(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin(rounds=3)
    second = await desk.answer(begun, 1)

    assert await desk.answer(begun, 1) == second
    assert isinstance(await desk.answer(begun, 2), Waiting)


async def test_one_that_was_asked_again_is_not_frozen_once_it_goes_on(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin(rounds=3)
    await desk.answer(begun, 1)
    await desk.answer(begun, 1)
    program = desk.held.take(begun.run_id)
    assert program is not None
    await program.wake()
    await asyncio.sleep(1.5 * FREEZE_AFTER_S)  # Nothing happens: there is no event to await.

    assert not any(each.frozen for each in desk.bench.engine.living)
    desk.bench.pool.retire(program.sandbox)


async def test_one_that_waits_uses_no_processor_of_the_pools(make: MakeDesk) -> None:
    desk = make()
    for _ in range(3):
        await desk.begin()

    assert desk.bench.pool.busy == 0


async def test_one_that_does_not_wait_here_is_told(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin()
    desk.held.drop_by_id(begun.run_id)

    assert await desk.answer(begun) == Failed(kind=FailureKind.NOT_HELD)


async def test_one_that_waits_for_too_long_is_ended_with_its_sandbox(
    make: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.held.HELD_S", 4 * FREEZE_AFTER_S)
    desk = make()
    begun = await desk.begin()
    await eventually(lambda: any(each.frozen for each in desk.bench.engine.living))
    (used,) = [each for each in desk.bench.engine.living if each.frozen]
    await eventually(lambda: used.destroyed)

    assert len(desk.held) == 0
    assert await desk.answer(begun) == Failed(kind=FailureKind.NOT_HELD)


async def test_one_whose_sandbox_is_gone_is_told(make: MakeDesk) -> None:
    desk = make()
    begun = await desk.begin()
    await eventually(lambda: any(each.frozen for each in desk.bench.engine.living))
    next(each for each in desk.bench.engine.living if each.frozen).breaks_in = "thaw"

    assert await desk.answer(begun) == Failed(kind=FailureKind.NOT_HELD)


async def test_a_tool_that_it_does_not_have_ends_it(make: MakeDesk) -> None:
    begun = await make().begin(tool="")

    assert begun.result == Failed(kind=FailureKind.UNKNOWN_TOOL, detail="none")


class TestCaps:
    async def test_the_one_that_has_waited_longest_makes_room(self, make: MakeDesk) -> None:
        desk = make(most=10, most_of_tenant=2)
        first, second, third = [await desk.begin() for _ in range(3)]

        assert await desk.answer(first) == Failed(kind=FailureKind.NOT_HELD)
        assert isinstance(await desk.answer(second), Finished)
        assert isinstance(await desk.answer(third), Finished)

    async def test_a_tenant_with_many_makes_room_for_one_with_few(self, make: MakeDesk) -> None:
        desk = make(most=3, most_of_tenant=3)
        quiet = await desk.begin(tenant="quiet")
        loud = [await desk.begin(tenant="loud") for _ in range(4)]

        assert isinstance(await desk.answer(quiet), Finished)
        assert isinstance(await desk.answer(loud[-1]), Finished)
        assert await desk.answer(loud[0]) == Failed(kind=FailureKind.NOT_HELD)

    async def test_a_host_that_is_short_of_memory_ends_the_oldest_of_whom_has_most(
        self, make: MakeDesk
    ) -> None:
        desk = make()
        quiet = await desk.begin(tenant="quiet")
        loud = [await desk.begin(tenant="loud") for _ in range(2)]

        desk.held.make_room()

        assert await desk.answer(loud[0]) == Failed(kind=FailureKind.NOT_HELD)
        assert isinstance(await desk.answer(loud[1]), Finished)
        assert isinstance(await desk.answer(quiet), Finished)

    async def test_where_none_waits_there_is_none_to_end(self, make: MakeDesk) -> None:
        make().held.make_room()
