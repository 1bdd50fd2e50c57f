"""What an executor does beside its runs. Without any of it, it may as well end."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)


def chore(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Begin `work`; end this process, as SIGTERM does, should it fail.

    Nobody awaits it before the end: an executor whose sign of life had stopped with a bug would
    take runs that the API believes lost. Whoever started it starts it again.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_end_if_failed)
    return task


def _end_if_failed(task: "asyncio.Task[None]") -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        _log.critical("this executor ends: a part of it failed", exc_info=fault)
        os.kill(os.getpid(), signal.SIGTERM)
