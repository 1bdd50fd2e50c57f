"""Health probe of the executor's container: exit code 0 when it can run programs.

It has no port to ask, so this reads the sign of life that it gives the API, and whether that
says that the container engine answers.
"""

import socket
import sys

import redis
import redis.exceptions
from pydantic import ValidationError

from executor.settings import ExecutorSettings
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus
from storage.configuration import load_settings

TIMEOUT_S = 5.0


def main() -> int:
    """Look for the sign of life; print what is wrong, for the engine to keep."""
    settings = load_settings(ExecutorSettings)
    signs = f"{HEARTBEAT_KEY_PREFIX}{settings.code_executor_id}-*"
    try:
        with redis.Redis.from_url(settings.result_url, socket_timeout=TIMEOUT_S) as connection:
            found = [connection.get(key) for key in connection.scan_iter(match=signs)]
    except (redis.exceptions.RedisError, OSError) as fault:
        print(f"the broker does not answer: {fault}")  # noqa: T201 - its purpose
        return 1
    statuses = [status for text in found if (status := _status(text)) is not None]
    own = [status for status in statuses if status.host == socket.gethostname()]
    for status in own:
        print(f"{status.instance_id}: engine {status.engine} {status.detail}")  # noqa: T201
    if not own:
        print("no sign of life")  # noqa: T201 - as above
    return 0 if any(status.engine == "up" for status in own) else 1


def _status(text: object) -> ExecutorStatus | None:
    """Read a sign of life; one that expired meanwhile, or makes no sense, is none."""
    if not isinstance(text, bytes):
        return None
    try:
        return ExecutorStatus.model_validate_json(text)
    except ValidationError:
        return None


if __name__ == "__main__":
    sys.exit(main())
