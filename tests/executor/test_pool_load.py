"""No sandbox is ever used twice, and none is lost, whatever goes wrong at the same time."""

import asyncio
from collections import Counter
from random import Random

import pytest
from typing_extensions import override

from executor.pool import WarmPool
from executor.sandbox import Program, Sandbox, SandboxUnavailableError
from tests.executor.local_engine import LocalEngine, LocalSandbox
from tests.executor.workbench import LIMITS

pytestmark = pytest.mark.anyio

CLAIMS = 200
AT_ONCE = 16

HELLO = Program(language="bash", source=b"echo hello")


class UnreliableSandbox(LocalSandbox):
    """Takes its time, dies while it waits, and breaks while it preloads."""

    def __init__(self, name: str, chance: Random) -> None:
        super().__init__(name)
        self._chance = chance

    @override
    async def preload(self) -> None:
        await _a_while(self._chance)
        self.dead = self._chance.random() < 0.1
        await super().preload()

    @override
    async def prepare(self, program: Program, limits: object) -> None:
        await _a_while(self._chance)
        await super().prepare(program, LIMITS)

    @override
    async def destroy(self) -> None:
        await _a_while(self._chance)
        await super().destroy()


class UnreliableEngine(LocalEngine):
    """Every tenth time it makes nothing, and what it makes is little better."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    @override
    async def create(self) -> Sandbox:
        await _a_while(self._chance)
        if self._chance.random() < 0.1:
            raise SandboxUnavailableError("not this time")
        sandbox = UnreliableSandbox(f"local-{len(self.made)}", self._chance)
        sandbox.breaks_in = "prepare" if self._chance.random() < 0.05 else None
        self.made.append(sandbox)
        return sandbox


async def _a_while(chance: Random) -> None:
    for _ in range(chance.randrange(20)):
        await asyncio.sleep(0)


class Load:
    """Programs that claim a sandbox, use it, and may leave at any moment."""

    def __init__(self, pool: WarmPool, chance: Random) -> None:
        self._pool = pool
        self._chance = chance
        self.uses: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with places:
                await self._leaving(asyncio.create_task(self._use()))

        await asyncio.gather(*(one() for _ in range(CLAIMS)))

    async def _leaving(self, using: "asyncio.Task[None]") -> None:
        if self._chance.random() < 0.2:
            await _a_while(self._chance)
            using.cancel()
        (result,) = await asyncio.gather(using, return_exceptions=True)
        self.outcomes[type(result).__name__] += 1

    async def _use(self) -> None:
        """As a run does it: the claim is a task of its own, and is abandoned if need be."""
        claim = asyncio.create_task(self._pool.claim(self._chance.choice(("py", "bash"))))
        try:
            await _a_while(self._chance)
            sandbox = await claim
        except BaseException:
            self._pool.abandon(claim)
            raise
        self.uses[sandbox.name] += 1
        try:
            await sandbox.prepare(HELLO, LIMITS)
            await _a_while(self._chance)
        finally:
            self._pool.retire(sandbox)


@pytest.mark.parametrize("size", [0, 2, 8])
@pytest.mark.parametrize("seed", range(10))
async def test_each_sandbox_is_used_once_and_none_is_left(size: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - to be the same every time
    engine = UnreliableEngine(chance)
    async with WarmPool(engine, size=size, most=2 * size, processors=32) as pool:
        load = Load(pool, chance)
        async with asyncio.timeout(60):
            await load.run()

    assert set(load.uses.values()) == {1}
    assert load.outcomes["NoneType"] > CLAIMS / 2
    assert set(load.outcomes) == {"NoneType", "CancelledError", "SandboxUnavailableError"}
    assert len(engine.made) >= len(load.uses)
    assert engine.living == []
