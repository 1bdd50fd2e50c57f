"""What executors and API processes say of themselves, and how long the broker's queue is."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from redis import Redis
from redis.exceptions import RedisError

from api.own_status import API_KEY_PREFIX, ApiStatus
from executor.messages import RUN_QUEUES
from executor.redis_connection import REDIS_SCHEMES
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus

TIMEOUT_S = 3.0

StatusT = TypeVar("StatusT", bound=BaseModel)


class FleetStatus(BaseModel):
    """Everything that is known."""

    executors: tuple[ExecutorStatus, ...]
    apis: tuple[ApiStatus, ...]
    queue_length: int | None
    """Runs that lie at the broker; `None` where it is no Redis."""

    @property
    def is_ready(self) -> bool:
        """Whether programs can be run, as far as can be seen from here."""
        return any(each.engine == "up" for each in self.executors)


class FleetUnreachableError(Exception):
    """The broker or the result store does not answer."""


def read_fleet(*, broker_url: str, result_url: str) -> FleetStatus:
    """Ask once.

    Raises:
        FleetUnreachableError: See there. The message names no password.
    """
    try:
        with closing(_connect(result_url)) as results:
            executors = _read(results, HEARTBEAT_KEY_PREFIX, ExecutorStatus)
            apis = _read(results, API_KEY_PREFIX, ApiStatus)
        queue_length = None
        if broker_url.startswith(REDIS_SCHEMES):
            with closing(_connect(broker_url)) as broker:
                lengths: list[Any] = [broker.llen(queue) for queue in RUN_QUEUES]
                queue_length = sum(map(int, lengths))
    except (RedisError, OSError) as fault:
        raise FleetUnreachableError(f"the broker does not answer: {fault}") from fault
    return FleetStatus(
        executors=tuple(sorted(executors, key=lambda each: each.instance_id)),
        apis=tuple(sorted(apis, key=lambda each: each.instance_id)),
        queue_length=queue_length,
    )


def _connect(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def _read(redis: Redis, prefix: str, model: type[StatusT]) -> Iterable[StatusT]:
    found: list[StatusT] = []
    keys: list[Any] = list(redis.scan_iter(match=f"{prefix}*", count=1000))
    values: Any = redis.mget(keys) if keys else []
    for value in values:
        if value is not None:  # It may have gone since.
            try:
                found.append(model.model_validate_json(value))
            except ValidationError:
                continue  # Of another version; the API's log says so.
    return found
