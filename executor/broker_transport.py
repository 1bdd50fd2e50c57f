"""Celery's way to a Redis broker that may go away while runs are under way.

When its connection is lost, kombu 5.7 closes the channel and wants to give back the messages
that are not acknowledged yet. By then the channel has forgotten where the broker was: an
`AttributeError`, which Celery takes for a bug, so that the worker ends. It is a connection
error, and as such Celery notes it and connects again; runs go on meanwhile and are told after.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

SCHEMES = ("redis", "rediss")


class SteadyChannel(kombu_redis.Channel):
    """A channel that knows when it was closed."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        if self.connection.client is None:
            raise RedisConnectionError("the connection to the broker was closed")
        # Kombu's, and no part of its stubs; without it a test loses its broker and says so.
        return super()._connparams(asynchronous=asynchronous)  # pyright: ignore[reportAttributeAccessIssue]


class SteadyTransport(kombu_redis.Transport):
    """Kombu's, with such channels."""

    Channel = SteadyChannel


def use_steady_transport() -> None:
    """Have this process's Celery reach Redis brokers so. Before anything connects."""
    for scheme in SCHEMES:
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{SteadyTransport.__name__}"
