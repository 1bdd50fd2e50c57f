"""How API and executors are connected to the Redis over which they speak with each other."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def redis_at(url: str, *, timeout_s: float) -> Redis:
    """Return the Redis at `url`; it is connected to when there is something to ask.

    What is asked is asked again once where the connection fails, since that may have died while
    nobody used it: it has to bear being asked twice.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
