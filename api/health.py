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
        storage, readiness = await asyncio.gather(
            self._ask_storage(), self._dispatcher.readiness()
        )
        return _judge(storage, readiness)

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
