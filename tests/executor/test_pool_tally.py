"""What a pool counts, and that what it does for itself carries nobody's ids."""

import pytest
from structlog.contextvars import get_contextvars
from typing_extensions import override

from executor.pool import WarmPool
from executor.pool_tally import Tally
from executor.sandbox import Sandbox, SandboxUnavailableError
from telemetry.ids import bound
from tests.executor.eventually import eventually
from tests.executor.local_engine import LocalEngine

pytestmark = pytest.mark.anyio


class Noting(LocalEngine):
    """Notes whose ids it is called with, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[dict[str, object]] = []
        self.fails = False

    @override
    async def create(self) -> Sandbox:
        self.ids.append(dict(get_contextvars()))
        if self.fails:
            raise SandboxUnavailableError("the disk is full")
        return await super().create()


async def test_sandboxes_are_counted_when_they_are_made_and_when_they_are_gone() -> None:
    async with WarmPool(LocalEngine(), size=2) as pool:
        await eventually(lambda: pool.tally == Tally(made=2, failed=0, removed=0))
        pool.retire(await pool.claim("py"))
        await eventually(lambda: pool.tally == Tally(made=3, failed=0, removed=1))

    assert pool.tally == Tally(made=3, failed=0, removed=3)


async def test_so_are_those_that_could_not_be_made() -> None:
    engine = Noting()
    engine.fails = True
    async with WarmPool(engine, size=0) as pool:
        with pytest.raises(SandboxUnavailableError):
            await pool.claim("py")

        assert pool.tally.made == 0
        assert pool.tally.failed >= 1


async def test_what_is_made_while_a_run_is_served_has_not_the_runs_ids() -> None:
    engine = Noting()
    async with WarmPool(engine, size=1) as pool:
        await eventually(lambda: pool.ready == 1)
        with bound(run_id="somebody's"):
            pool.retire(await pool.claim("py"))
            await eventually(lambda: pool.ready == 1)

    assert engine.ids == [{}, {}]
