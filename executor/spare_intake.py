"""Takes runs for the slots that are kept, on a channel of their own.

Celery counts what it has taken off the broker, and takes no more than it has slots: with one
count for all queues, a flood in one of them has every slot. So Celery's own consumer is held to
the slots that all share, and the queue of spare runs (`api.turns`) has another consumer, with a
count of its own. Celery's pool has threads for both.
"""

from typing import Any

from celery import bootsteps
from kombu.common import ignore_errors

from executor.intake import Intake
from executor.messages import SPARE_QUEUE_NAME


def spare_intake(intake: Intake, *, shared: int, spare: int) -> type[bootsteps.StartStopStep]:
    """Return a part of Celery's worker that takes spare runs.

    Args:
        intake: Opens and closes it together with the queues that all share.
        shared: Runs of other queues that are taken at once.
        spare: Spare runs that are taken at once.
    """

    class SpareIntake(bootsteps.StartStopStep):
        """As `celery.worker.consumer.tasks.Tasks`, for one queue."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            # Before `Tasks` tells the broker; its own figure is the size of the whole pool.
            parent.initial_prefetch_count = shared
            self._consumer: Any = None  # A worker may be stopped before it has started.
            super().__init__(parent, **options)

        def start(self, parent: Any) -> None:
            """Begin to take runs. Celery calls it again after a lost connection."""
            queue = parent.app.amqp.queues[SPARE_QUEUE_NAME]
            consumer = parent.app.amqp.TaskConsumer(
                parent.connection.channel(),
                queues=[queue],
                on_decode_error=parent.on_decode_error,
            )
            consumer.on_message = parent.create_task_handler()
            consumer.qos(prefetch_count=spare)
            consumer.consume()
            self._consumer = consumer
            intake.attach_spare(consumer)

        def stop(self, parent: Any) -> None:
            """Take none any more. What was taken is still acknowledged when it ends."""
            if self._consumer is not None:
                ignore_errors(parent, self._consumer.cancel)

        def shutdown(self, parent: Any) -> None:
            """As `stop`: the channel ends with its connection."""
            self.stop(parent)

    return SpareIntake
