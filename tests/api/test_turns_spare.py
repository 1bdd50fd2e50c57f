"""Whoever has nothing out has a slot at once, though others have filled all they can."""

import pytest

from tests.api.turns_crowd import crowd, settled

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "flooding",
    [
        "flood/f",
        "acme/flood",  # A tenant who is alone: its users have it.
    ],
)
async def test_it_goes_at_once_to_one_run_of_whoever_has_nothing_out(flooding: str) -> None:
    async with crowd(window=4, ready=2, spare=1) as here:
        flood = await here.come(*[flooding] * 200)
        one, another = await here.come("acme/ann", "acme/bob")

        assert sum(run.is_out for run in flood) == 6
        assert (one.is_out, one.is_spare) == (True, True)
        assert not another.is_out, "there is but one, and its tenant has it"


async def test_nobody_needs_it_while_slots_are_free() -> None:
    async with crowd(window=4, ready=2, spare=1) as here:
        runs = await here.come("flood/f", "flood/f", "flood/f", "acme/ann")

        assert [(run.is_out, run.is_spare) for run in runs] == [(True, False)] * 4


async def test_it_is_before_what_lies_ready() -> None:
    async with crowd(window=4, ready=2, spare=1) as here:
        await here.come(*["flood/f"] * 4)
        (one,) = await here.come("acme/ann")

        assert one.is_spare


async def test_once_it_is_free_it_is_the_next_tenants_who_has_nothing_out() -> None:
    async with crowd(window=4, ready=2, spare=1) as here:
        await here.come(*["flood/f"] * 200)
        first, second, third = await here.come("acme/ann", "zeta/z", "omega/o")
        assert [run.is_out for run in (first, second, third)] == [True, False, False]
        first.over.set()
        await settled()

        assert [(run.is_out, run.is_spare) for run in (second, third)] == [
            (True, True),
            (False, False),
        ]


async def test_made_up_users_do_not_have_it_beside_another_tenant() -> None:
    async with crowd(window=4, ready=2, spare=1) as here:
        (other,) = await here.come("acme/ann")
        flood = await here.come(*[f"flood/{number}" for number in range(200)])

        assert not any(run.is_spare for run in (other, *flood))
        assert here.turns.out == 6


async def test_who_leaves_gives_it_back() -> None:
    async with crowd(window=1, spare=1) as here:
        await here.come(*["flood/f"] * 5)
        (leaves,) = await here.come("acme/ann")
        leaves.task.cancel()
        (next_one,) = await here.come("zeta/z")

        assert next_one.is_spare


async def test_without_one_everybody_waits() -> None:
    async with crowd(window=4, ready=2) as here:
        await here.come(*["flood/f"] * 200)
        (one,) = await here.come("acme/ann")

        assert not one.is_out
