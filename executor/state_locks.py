"""Sees to it that two runs at once do not have the same saved workspace: a lock in Redis.

It lives for a few seconds and is renewed while its run goes on: if the executor dies, it ends
by itself, about when the API notices the death. The run that is then sent again says which it
was before, and takes the lock over at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from executor.concurrency import end, to_its_end
from executor.redis_connection import redis_at

KEY_PREFIX = "code-command:state:"
LOCK_S = 10.0
RENEWAL_S = 2.5
"""Three may fail before the lock is lost."""
TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)

_TAKE = """
local owner = redis.call('GET', KEYS[1])
if owner and string.sub(owner, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
"""
"""Take it if nobody has it, or an earlier attempt of the same run: owners are `first:run`."""

_RENEW = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Also where it is gone, as after a restart of Redis: then nobody else has had it meanwhile."""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class StateLockError(Exception):
    """A saved workspace cannot be had for a run."""


class StateBusyError(StateLockError):
    """Another run has it. Safe to retry, once that has ended."""


class StateFencedError(StateLockError):
    """Another run has taken it meanwhile. Nothing was saved; safe to retry."""


class StateUnlockableError(StateLockError):
    """Redis does not answer, so nobody knows whether another run has it. Safe to retry."""


class StateLock:
    """One workspace, reserved for one run."""

    def __init__(self, redis: "Redis", key: str, owner: str) -> None:
        self._redis = redis
        self._key = key
        self._owner = owner

    async def confirm(self) -> None:
        """Make sure that it is still ours, and for `LOCK_S` from now.

        Raises:
            StateFencedError: It is not.
            StateUnlockableError: That cannot be told.
        """
        if not await self.eval(_RENEW, self._owner, str(round(LOCK_S * 1000))):
            raise StateFencedError(self._key)

    async def take(self, attempts: str) -> None:
        """Reserve it, also from an owner that begins with `attempts`.

        Raises `StateBusyError` or `StateUnlockableError`.
        """
        expiry = str(round(LOCK_S * 1000))
        if not await self.eval(_TAKE, self._owner, attempts, expiry):
            raise StateBusyError(self._key)

    async def eval(self, script: str, *arguments: str) -> bool:
        """Ask Redis. Raises `StateUnlockableError`."""
        try:
            answer = await self._redis.execute_command("EVAL", script, 1, self._key, *arguments)
        except (RedisError, OSError) as fault:
            raise StateUnlockableError(f"{self._key}: {fault}") from fault
        return bool(answer)

    async def release(self) -> None:
        """Let it go; where Redis does not answer, it ends by itself."""
        with suppress(StateUnlockableError):
            await self.eval(_RELEASE, self._owner)

    async def keep_alive(self) -> None:
        """Renew it until cancelled, or until somebody else has it."""
        while True:
            await asyncio.sleep(RENEWAL_S)
            try:
                await self.confirm()
            except StateUnlockableError as fault:
                _log.warning("a workspace's lock is not renewed: %s", fault)
            except StateFencedError:
                return  # `confirm` says so again, to whoever is about to save.


class StateLocks:
    """The locks of all workspaces. Used in one event loop."""

    def __init__(self, url: str) -> None:
        """Keep them in the Redis at `url`; it is connected to when there is a first one."""
        self._redis = redis_at(url, timeout_s=TIMEOUT_S)

    @asynccontextmanager
    async def hold(
        self, tenant: str, name: str, *, run_id: str, first_run_id: str = ""
    ) -> AsyncGenerator[StateLock]:
        """Reserve a workspace until the block ends.

        Args:
            tenant: Whose it is.
            name: As `storage.states.state_name` gives it.
            run_id: This attempt's.
            first_run_id: The first one's, if this is another: it takes the lock over.

        Raises:
            StateBusyError: Another run has it.
            StateUnlockableError: That cannot be told.
        """
        attempts = f"{first_run_id or run_id}:"
        lock = StateLock(self._redis, f"{KEY_PREFIX}{tenant}:{name}", f"{attempts}{run_id}")
        try:
            await lock.take(attempts)
            renewing = asyncio.create_task(lock.keep_alive())
        except BaseException:
            # Cancelled on its way, it may be ours all the same.
            await asyncio.shield(lock.release())
            raise
        try:
            yield lock
        finally:
            # To its end: one that is still renewed would be nobody's, and never free.
            await to_its_end(_let_go(lock, renewing))

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()


async def _let_go(lock: StateLock, renewing: "asyncio.Task[None]") -> None:
    await end([renewing])
    await lock.release()
