"""How API and executors are connected to the Redis over which they speak with each other."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def require_places(broker_url: str, result_url: str) -> None:
    """See that both URLs are of a kind that runs and their results can go to.

    Raises:
        ValueError: One is not. The text names its variable.
    """
    if "://" not in broker_url:
        raise ValueError(
            "BROKER_URL: must be a URL, such as redis://:PASSWORD@host:6379/0 or"
            " amqp://USER:PASSWORD@host:5672//"
        )
    if not result_url.startswith(REDIS_SCHEMES):
        raise ValueError(
            "RESULT_BACKEND_URL: must be the redis:// URL of a Redis or Valkey server;"
            " it is needed where BROKER_URL is not one"
        )


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
