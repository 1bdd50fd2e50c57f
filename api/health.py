"""Which part of the service is up (librechat-contract 2.1)."""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field

from api.dispatch import Dispatcher, Readiness
from storage.errors import StorageError
from storage.ports import ObjectStore

STORAGE_TIMEOUT_S = 2.0
STORAGE_CACHE_S = 1.0
"""Probes of several load balancers ask storage once a second at most."""

State = Literal["up", "down"]


class HealthParts(BaseModel):
    """What the service stands on."""

    storage: State
    broker: State
    executors: int = Field(description="How many give a sign of life.")
    engine: Literal["up", "down", "unknown"] = Field(
        description="Whether any executor's container engine answers."
    )


class HealthAnswer(BaseModel):
    """`ok`, or what is wrong. Only `down` is a 503."""

    status: Literal["ok", "degraded", "down"] = Field(
        description="degraded: some executors have lost their container engine."
    )
    parts: HealthParts


class ReadyParts(BaseModel):
    """Each part, and why it is not ready: fixed words, so that nobody learns anything else."""

    storage: State
    broker: State
    executors: str = Field(description="`ok`; `some engines are down`; or what is wrong.")
    sandboxes: str = Field(description="`ok`, or `none waiting`: then runs take longer.")
    queue: str = Field(description="`ok`, or `runs wait`: more come than executors take.")


class ReadyAnswer(BaseModel):
    """Whether a program can be run, and what stands in its way."""

    status: Literal["ready", "not ready"]
    checks: ReadyParts


class HealthCheck:
    """Asks every part, each within a bounded time."""

    def __init__(self, store: ObjectStore, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._asking = asyncio.Lock()
        self._storage: State = "down"
        self._asked_at = float("-inf")

    async def ask(self) -> HealthAnswer:
        """Say how things are. Never raises, and takes a few seconds at most."""
        return _judge(*await self.look())

    async def ask_all(self) -> ReadyAnswer:
        """Say of each part how it is. As `ask`."""
        return _judge_all(*await self.look())

    async def look(self) -> tuple[State, Readiness]:
        """Return whether storage is up, and what the dispatcher sees. As `ask`."""
        return await asyncio.gather(self._ask_storage(), self._dispatcher.readiness())

    async def _ask_storage(self) -> State:
        async with self._asking:
            clock = asyncio.get_running_loop().time
            if clock() - self._asked_at > STORAGE_CACHE_S:
                self._storage = await self._storage_state()
                self._asked_at = clock()
            return self._storage

    async def _storage_state(self) -> State:
        try:
            async with asyncio.timeout(STORAGE_TIMEOUT_S):
                await self._store.check()
        except (StorageError, TimeoutError):
            return "down"
        return "up"


def _judge(storage: State, readiness: Readiness) -> HealthAnswer:
    engines = {executor.engine for executor in readiness.executors}
    engine = "unknown" if not engines else "up" if "up" in engines else "down"
    parts = HealthParts(
        storage=storage,
        broker="up" if readiness.broker_up else "down",
        executors=len(readiness.executors),
        engine=engine,
    )
    if storage == "down" or not readiness.broker_up or engine != "up":
        return HealthAnswer(status="down", parts=parts)
    return HealthAnswer(status="degraded" if "down" in engines else "ok", parts=parts)


def _judge_all(storage: State, readiness: Readiness) -> ReadyAnswer:
    up = [executor for executor in readiness.executors if executor.engine == "up"]
    waiting = sum(executor.ready_sandboxes for executor in up)
    executors = "ok"
    if not readiness.executors:
        executors = "none gives a sign of life"
    elif not up:
        executors = "no engine answers"
    elif len(up) < len(readiness.executors):
        executors = "some engines are down"
    checks = ReadyParts(
        storage=storage,
        broker="up" if readiness.broker_up else "down",
        executors=executors,
        sandboxes="ok" if waiting else "none waiting",
        queue="runs wait" if readiness.waiting else "ok",
    )
    is_ready = storage == "up" and readiness.broker_up and bool(up)
    return ReadyAnswer(status="ready" if is_ready else "not ready", checks=checks)
