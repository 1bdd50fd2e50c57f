"""The ids by which one request is followed from the API to the executor.

They belong to the asyncio task that serves it, and to those that it begins; every log line that
is written there has them (`telemetry.logs`).
"""

import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars, get_contextvars

REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What a client may call its request: nothing in it can begin a new line of a log."""


def request_id_from(given: str | None) -> str:
    """Return the id that a client gives, if it is one; else a fresh one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return secrets.token_hex(8)


@contextmanager
def bound(**ids: str) -> Generator[None, None, None]:
    """Have `ids` in every log line until the block ends. Empty ones are left out."""
    with bound_contextvars(**{name: value for name, value in ids.items() if value}):
        yield


def current_request_id() -> str:
    """Return the id of the request that is being served; empty where none is."""
    return str(get_contextvars().get("request_id", ""))
