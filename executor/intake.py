"""Whether this executor takes new runs off the broker.

Celery consumes until its worker ends. A host that lacks memory, or makes no sandboxes, must
leave runs to others before: it would fail them faster than anybody else can run them, and so
be the one that gets them.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

_log = logging.getLogger(__name__)


class Intake:
    """The queues that all executors share, consumed or left alone.

    Programs that wait here go on all the same: their rounds have a queue of their own.
    """

    def __init__(self, queues: Sequence[str]) -> None:
        self._queues = queues
        self._consumer: Any = None
        self._spare: Any = None
        self._is_open = True

    def attach(self, consumer: Any) -> None:
        """Take note of Celery's consumer, once it consumes."""
        self._consumer = consumer

    def attach_spare(self, consumer: Any) -> None:
        """Take note of the consumer of spare runs (`executor.spare_intake`)."""
        self._spare = consumer
        if not self._is_open:
            consumer.cancel()

    def keep(self, *, is_open: bool) -> None:
        """Consume, or do not. To be repeated: Celery may be between two connections.

        It takes a second at most, until Celery's loop turns. What the broker hands out
        meanwhile kombu gives back.
        """
        if self._consumer is not None and is_open is not self._is_open:
            self._consumer.call_soon(partial(self._change, is_open=is_open))

    def _change(self, *, is_open: bool) -> None:
        if is_open is self._is_open:
            return
        change = self._consumer.add_task_queue if is_open else self._consumer.cancel_task_queue
        try:
            for queue in self._queues:
                change(queue)
            if self._spare is not None:
                (self._spare.consume if is_open else self._spare.cancel)()
        except Exception as fault:  # noqa: BLE001 - what goes up from here ends Celery's loop
            _log.info("the queues cannot be changed just now: %r", fault)
        else:
            self._is_open = is_open
