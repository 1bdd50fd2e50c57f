"""The Celery shell around a run: naming, delivery, wiring. No logic."""

from typing import Any, ClassVar

from celery import Celery, Task
from celery.signals import worker_ready
from celery.worker.control import control_command

from executor.broker_transport import RoundsFirst, use_steady_transport
from executor.messages import CANCEL_COMMAND, QUEUE_NAME, TASK_NAME, RunRequest
from executor.reports import EXPIRY_S
from executor.round_queue import declared_round_queue
from executor.service import ExecutorService
from executor.settings import ExecutorSettings
from executor.spare_intake import spare_intake
from executor.tool_messages import ROUND_TASK_NAME, RoundRequest

QUEUE_ALLOWANCE_S = 300
"""Added to the longest run for the broker's visibility timeout. A message that is given back
earlier would start a second time while the first run is healthy (measured on Redis: a timeout
of 4 s and a task of 12 s gave three starts)."""

BROKER_SILENCE_S = 5
"""A Redis that is silent for longer, though it was asked, is connected to anew."""

app = Celery("code-command-executor")


class WiredTask(Task):  # pyright: ignore[reportMissingTypeArgument] - not generic at run time
    """A task that finds the process's executor on `service`."""

    abstract = True
    wired: ClassVar[ExecutorService | None] = None

    @property
    def service(self) -> ExecutorService:
        """What `wire` set."""
        if WiredTask.wired is None:
            raise RuntimeError("wire() was not called in this process")
        return WiredTask.wired


def wire(service: ExecutorService, settings: ExecutorSettings) -> None:
    """Give the task its executor, and the app its broker."""
    WiredTask.wired = service
    worker_ready.connect(_attach_intake)
    use_steady_transport()
    app.steps["consumer"].add(
        spare_intake(service.intake, shared=settings.runs_at_once, spare=settings.spare_runs)
    )
    app.amqp.queues.add(declared_round_queue(service.instance_id))
    app.conf.update(
        broker_url=settings.broker_url.get_secret_value(),
        result_backend=settings.result_url,
        broker_transport_options=_transport_options(settings),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # A broker that is away comes back.
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_expires=EXPIRY_S,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=QUEUE_NAME,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # It would ask RabbitMQ for more from the thread of a run, and await the answer on the
        # connection that Celery's loop reads as well. Seen after an outage with a run under
        # way: whoever reads the other's answer leaves that one waiting, and no more runs come.
        worker_enable_prefetch_count_reduction=False,
    )


def _attach_intake(sender: Any, **_: Any) -> None:
    run_code.service.intake.attach(sender)


def _transport_options(settings: ExecutorSettings) -> dict[str, Any]:
    if not settings.broker_url.get_secret_value().startswith(("redis", "valkey")):
        return {}
    return {
        "queue_order_strategy": f"{RoundsFirst.__module__}:{RoundsFirst.__name__}",
        "visibility_timeout": settings.code_exec_timeout + QUEUE_ALLOWANCE_S,
        # By default lost messages are looked for every 10 x 10 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # A network that loses packets closes no connection. Without these limits Celery's loop
        # waits for an answer until TCP sends again, at ever longer intervals: a host that was
        # cut off for 60 s took runs again 54 s after that, and may be two minutes late.
        "socket_connect_timeout": BROKER_SILENCE_S,
        "socket_timeout": BROKER_SILENCE_S,
        "health_check_interval": BROKER_SILENCE_S,
    }


@app.task(
    name=TASK_NAME,  # On the wire: moving this module must not rename it.
    bind=True,
    base=WiredTask,
    store_errors_even_if_ignored=True,
)
def run_code(self: WiredTask, request: dict[str, Any]) -> dict[str, Any] | None:
    """Run one program; see `executor.run`. The report is told by then (`executor.reports`).

    Returns the report where the sender wants Celery to store the result, which tells it again;
    nothing if the run had been begun already, here or elsewhere.

    Raises:
        ValidationError: The message is no `RunRequest`. Celery tells that, as any bug.
    """
    report = self.service.run(RunRequest.model_validate(request))
    if report is None or self.request.ignore_result:
        return None
    return report.model_dump(mode="json")


@app.task(name=ROUND_TASK_NAME, bind=True, base=WiredTask, store_errors_even_if_ignored=True)
def continue_program(self: WiredTask, request: dict[str, Any]) -> None:
    """Run a program on that waits here; see `executor.programmatic`.

    Raises:
        ValidationError: The message is no `RoundRequest`.
    """
    self.service.carry_on(RoundRequest.model_validate(request))


@control_command(name=CANCEL_COMMAND, args=[("run_ids", list)])
def cancel_runs(_state: Any, run_ids: list[str]) -> None:
    """End those of the runs that this executor has."""
    for run_id in run_ids:
        run_code.service.cancel(run_id)
