"""Celery's way to a Redis broker that may go away while runs are under way.

When its connection is lost, kombu 5.7 closes the channel and wants to give back the messages
that are not acknowledged yet. By then the channel has forgotten where the broker was: an
`AttributeError`, which Celery takes for a bug, so that the worker ends. It is a connection
error, and as such Celery notes it and connects again; runs go on meanwhile and are told after.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils.scheduling import round_robin_cycle
from redis.exceptions import ConnectionError as RedisConnectionError
from typing_extensions import override

from executor.tool_messages import ROUND_QUEUE_PREFIX

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


class RoundsFirst(round_robin_cycle):  # pyright: ignore[reportMissingTypeArgument] - as Task
    """The order in which queues are looked at for the next message.

    Programs that wait have had their turn: they go on before others begin. The queues of runs
    are looked at in turns, so that none is held up by what waits in the other.
    """

    @override
    def consume(self, n: int) -> Any:
        queues: Any = super().consume(n)
        return sorted(queues, key=lambda queue: not queue.startswith(ROUND_QUEUE_PREFIX))


def use_steady_transport() -> None:
    """Have this process's Celery reach Redis brokers so. Before anything connects."""
    for scheme in SCHEMES:
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{SteadyTransport.__name__}"
