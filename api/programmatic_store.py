"""What is known of programs that wait, for every API process: in the result store, for a while.

The key of an execution is a digest of its token, so that whoever can read the store cannot go
on with anybody's program.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Literal

import msgspec
from redis.exceptions import RedisError

from executor.redis_connection import redis_at
from executor.tool_messages import HELD_S

EXECUTION_PREFIX = "code-command:execution:"
LOCK_PREFIX = "code-command:execution-lock:"
REQUEST_PREFIX = "code-command:programmatic-request:"
TIMEOUT_S = 5.0
POLL_S = 0.25
"""How often a request looks whether it has been cancelled. Only those look that can be."""

_TTL_S = int(HELD_S)

_REGISTER = """
local owner = redis.call('HGET', KEYS[1], 'owner')
local state = redis.call('HGET', KEYS[1], 'state')
if (owner and owner ~= ARGV[1]) or state == 'active' then return 'in use' end
local now = state == 'cancelled' and 'done' or 'active'
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'state', now)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return state == 'cancelled' and 'cancelled' or 'active'
"""
_CANCEL = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 'foreign' end
if redis.call('HGET', KEYS[1], 'state') == 'done' then return 'done' end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'state', 'cancelled')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 'requested'
"""
_END = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'state', 'done') end
"""
"""Only what was registered: a key that this made would have no owner, and never expire."""
_UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class StoreUnavailableError(Exception):
    """The store does not answer."""


class Execution(msgspec.Struct):
    """A program that has waited at least once."""

    owner: str
    """A digest of who may go on with it."""
    run_id: str
    session_id: str
    executor: str
    """The instance that holds its sandbox."""
    pending: list[int]
    """Numbers of the calls that were asked for at last."""
    recorded: dict[int, str]
    """Digests of the answers that it has had."""
    recorded_bytes: int
    status: int
    answer: str
    """The answer to the last round, which a client that did not hear it asks for again."""
    held_at: float
    """Unix time: since when the executor has waited, at the least."""
    is_over: bool = False


class ExecutionStore:
    """Keeps executions and the ids of requests."""

    def __init__(self, url: str) -> None:
        """Connect to the Redis at `url` when there is something to ask."""
        self._redis = redis_at(url, timeout_s=TIMEOUT_S)

    async def save(self, token: str, execution: Execution) -> None:
        """Keep what is known, from now for `HELD_S`. Raises `StoreUnavailableError`."""
        key = EXECUTION_PREFIX + _digest(token)
        await self._ask(self._redis.set(key, msgspec.json.encode(execution), ex=_TTL_S))

    async def load(self, token: str) -> Execution | None:
        """Return what is known; `None` if nothing is. Raises `StoreUnavailableError`."""
        text = await self._ask(self._redis.get(EXECUTION_PREFIX + _digest(token)))
        return None if text is None else msgspec.json.decode(text, type=Execution)

    @asynccontextmanager
    async def locked(self, token: str, *, most_s: float) -> AsyncGenerator[bool]:
        """Say whether the block has an execution for itself, for `most_s` seconds at most.

        Raises:
            StoreUnavailableError: Nobody can tell.
        """
        key, nonce = LOCK_PREFIX + _digest(token), secrets.token_hex(8)
        asked = self._redis.set(key, nonce, nx=True, px=int(most_s * 1000))
        is_ours = bool(await self._ask(asked))
        try:
            yield is_ours
        finally:
            if is_ours:
                # Best effort: it ends by itself.
                await asyncio.gather(self._eval(_UNLOCK, key, nonce), return_exceptions=True)

    async def register(
        self, request_id: str, owner: str
    ) -> Literal["active", "cancelled", "in use"]:
        """Note that a request has begun that can be cancelled; it may have been already.

        Raises:
            StoreUnavailableError: Nobody can tell.
        """
        return await self._eval(_REGISTER, REQUEST_PREFIX + request_id, owner, _TTL_S)

    async def cancel(
        self, request_id: str, owner: str
    ) -> Literal["requested", "done", "foreign"]:
        """Have a request cancelled, which may be still to come. As `register`."""
        return await self._eval(_CANCEL, REQUEST_PREFIX + request_id, owner, _TTL_S)

    async def until_cancelled(self, request_id: str) -> None:
        """Return once the request is to be cancelled. An outage is waited out."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                state = await self._ask(
                    self._redis.hget(REQUEST_PREFIX + request_id, "state")  # type: ignore[arg-type] # redis-py types both its clients as one
                )
            except StoreUnavailableError:
                continue
            if state == b"cancelled":
                return

    async def ended(self, request_id: str) -> None:
        """Note that a request has its answer. Best effort: it is forgotten anyway."""
        ending = self._eval(_END, REQUEST_PREFIX + request_id)
        await asyncio.gather(ending, return_exceptions=True)

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def _eval(self, script: str, key: str, *args: str | int) -> Any:
        asked: Any = self._redis.eval(script, 1, key, *map(str, args))
        told = await self._ask(asked)
        return told.decode() if isinstance(told, bytes) else told

    @staticmethod
    async def _ask(asked: Any) -> Any:
        try:
            return await asked
        except (RedisError, OSError, TimeoutError) as fault:
            raise StoreUnavailableError(str(fault)) from fault


@asynccontextmanager
async def connected_execution_store(url: str) -> AsyncGenerator[ExecutionStore]:
    """Give a store, and its connections back when the block ends."""
    store = ExecutionStore(url)
    try:
        yield store
    finally:
        await store.close()


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
