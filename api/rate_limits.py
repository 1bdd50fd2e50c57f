"""How often a caller may ask for what (librechat-contract 6.2)."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.status_codes import HTTP_429_TOO_MANY_REQUESTS
from litestar.types import Message, Scope

from api.auth import Connection
from api.caller import Caller
from api.dispatch import TenantQueueFullError
from api.errors import RETRY_AFTER_S, Answer, ApiError
from api.rate_store import RateStore, Standing
from api.rates import Rate, parse_rate
from api.seldom import Seldom

logger = logging.getLogger(__name__)

RATE_BUCKET = "rate_bucket"
"""Route option: what a request counts as, one of `api.rates.BUCKETS`."""

_STANDING = "rate_standing"

_REFUSALS = {
    "exec": "Too many CodeAPI execution requests.",
    "upload": "Too many file uploads.",
    "download": "Too many file downloads.",
    "list": "Too many file list requests.",
}

_parse_rate = lru_cache(maxsize=256)(parse_rate)


class RateLimitedError(ApiError):
    """The client must wait."""

    def __init__(self, bucket: str, standing: Standing) -> None:
        wait_s = standing.reset_s
        unit = "second" if wait_s == 1 else "seconds"
        sentence = f"{_REFUSALS[bucket]} Please retry in {wait_s} {unit}."
        # The newest client tells its model when to retry if it finds this word, and the
        # others of the contract's texts are sentences (librechat-contract 8, trap 52).
        words = ("rate_limited", sentence) if bucket == "exec" else (sentence,)
        super().__init__(
            Answer(
                HTTP_429_TOO_MANY_REQUESTS,
                *words,
                retry_after_s=wait_s,
                more={"retry_after_seconds": wait_s},
            )
        )
        self.standing = standing


def queue_is_full(
    request: Request[Any, Any, Any], fault: TenantQueueFullError
) -> RateLimitedError:
    """Return what a client is told whose tenant has too many runs waiting.

    The same as of a rate, so that clients understand it: of what `RateLimit-Limit` says, no
    more is left.
    """
    rate = Rate(fault.limit, RETRY_AFTER_S)
    standing = Standing(allowed=False, rate=rate, remaining=0, reset_s=RETRY_AFTER_S)
    request.scope["state"][_STANDING] = standing
    return RateLimitedError("exec", standing)


class RateLimits:
    """The server's rates, and those that a key or a plan has instead."""

    def __init__(self, rates: Mapping[str, Rate | None], store: RateStore) -> None:
        """Hold callers to `rates`, one for each bucket; `None` is no limit."""
        self._rates = rates
        self._store = store
        self._seldom = Seldom()

    async def take(self, caller: Caller, bucket: str) -> Standing | None:
        """Count a request of `caller`; return where that leaves them.

        `None` where nothing limits them, or the store does not answer.

        Raises:
            RateLimitedError: They have to wait. The request was not counted.
        """
        own = caller.rates.get(bucket)
        rate = self._rates[bucket] if own is None else _parse_rate(own)
        if rate is None:
            return None
        standing = await self._store.take(rate, bucket, caller.tenant, _user_of(caller))
        if standing is not None and not standing.allowed:
            if self._seldom.is_due(f"{bucket} {caller.tenant}"):
                logger.warning(
                    "tenant %s: more %s requests than %s of user %r are refused",
                    *(caller.tenant, bucket, rate, caller.user),
                )
            raise RateLimitedError(bucket, standing)
        return standing


async def require_rate(connection: Connection, handler: BaseRouteHandler) -> None:
    """Count a request for its route's bucket (a Litestar guard, after `require_key`).

    Before the body is read: what is refused costs no more than its headers.

    Raises:
        RateLimitedError: See `RateLimits.take`.
    """
    bucket: str | None = handler.opt.get(RATE_BUCKET)
    if bucket is not None:
        await count_request(connection, bucket)


async def count_request(connection: Connection, bucket: str) -> None:
    """Count a request that is known to belong to `bucket`.

    Raises:
        RateLimitedError: See `RateLimits.take`.
    """
    limits: RateLimits | None = connection.app.state.rate_limits
    if limits is None:
        return
    try:
        standing = await limits.take(connection.user, bucket)
    except RateLimitedError as refused:
        connection.scope["state"][_STANDING] = refused.standing
        raise
    if standing is not None:
        connection.scope["state"][_STANDING] = standing


async def name_rate(message: Message, scope: Scope) -> None:
    """Tell the client where it stands (a Litestar `before_send` hook)."""
    standing: Standing | None = scope["state"].get(_STANDING)
    if standing is not None and message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers["RateLimit-Limit"] = str(standing.rate.requests)
        headers["RateLimit-Remaining"] = str(standing.remaining)
        headers["RateLimit-Reset"] = str(standing.reset_s)


def _user_of(caller: Caller) -> str:
    """Name the user in the store's keys: of bounded length, and nobody's address to read.

    Whoever has a key can say that they are anybody. They use up no rate of the user whom a
    token proves to be that one.
    """
    origin = "token" if caller.user_is_proven else "key"
    return f"{origin}:{sha256(caller.user.encode(errors='replace')).hexdigest()[:32]}"
