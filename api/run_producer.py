"""Sends runs to executors, and calls them off, through Celery.

Celery publishes synchronously, so each call takes a thread for the milliseconds that it needs.
Where the broker is a Redis, `api.run_queue` sends the runs.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from api.dispatch import BrokerUnavailableError
from api.run_queue import NOT_SHOWN
from executor.messages import CANCEL_COMMAND, TASK_NAME, RunRequest
from executor.round_queue import declared_round_queue
from executor.tool_messages import ROUND_TASK_NAME, RoundRequest

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 4.0
"""A little more than the retries below take when nothing answers."""
CANCEL_TIMEOUT_S = 2.0
THREADS = 8

_FAULTS: tuple[type[Exception], ...] = (KombuError, RedisError, OSError, TimeoutError)


class RunProducer:
    """Speaks to the broker."""

    def __init__(self, broker_url: str) -> None:
        self._app = _producer_app(broker_url)
        self._faults = _FAULTS + _refusals(self._app)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="broker")
        self._unwanted: list[str] = []
        self._calling_off: asyncio.Task[None] | None = None

    async def send(self, request: RunRequest) -> None:
        """Hand a run over to the broker.

        Raises:
            BrokerUnavailableError: The broker does not answer, or refuses us. In rare cases it
                has the run all the same; an executor drops it once its deadline has passed.
        """
        await self._publish(TASK_NAME, request, request.queue)

    async def send_round(self, request: RoundRequest, executor: str) -> None:
        """Hand answers for a program that waits to its executor. As `send`."""
        await self._publish(ROUND_TASK_NAME, request, declared_round_queue(executor))

    async def _publish(
        self, task_name: str, request: RunRequest | RoundRequest, queue: Any
    ) -> None:
        message = request.model_dump(mode="json")
        try:
            await self._in_thread(
                lambda: self._app.send_task(
                    task_name,
                    args=[message],
                    task_id=request.run_id,
                    queue=queue,
                    # Else Celery puts the program's text there, for logs.
                    argsrepr=NOT_SHOWN,
                    kwargsrepr=NOT_SHOWN,
                    ignore_result=True,  # Executors tell it themselves, in Celery's form.
                ),
                timeout_s=SEND_TIMEOUT_S,
            )
        except self._faults as fault:
            raise BrokerUnavailableError("the broker does not answer") from fault

    async def cancel(self, run_id: str) -> None:
        """Tell every executor that nobody waits for a run any more. Best effort.

        One that has begun it ends it (`CANCEL_COMMAND`); one that gets it later drops it,
        since it remembers what was revoked. Runs that are called off while others are being
        so go together: a thousand at once take no longer than two one after the other.
        """
        self._unwanted.append(run_id)
        if self._calling_off is None or self._calling_off.done():
            self._calling_off = asyncio.create_task(self._call_off())
        await asyncio.shield(self._calling_off)

    async def _call_off(self) -> None:
        while self._unwanted:
            run_ids, self._unwanted = self._unwanted, []
            try:
                await self._in_thread(
                    lambda run_ids=run_ids: self._broadcast(run_ids), timeout_s=CANCEL_TIMEOUT_S
                )
            except self._faults as fault:
                logger.warning("%d runs could not be called off: %r", len(run_ids), fault)

    def _broadcast(self, run_ids: list[str]) -> None:
        self._app.control.revoke(run_ids)
        self._app.control.broadcast(CANCEL_COMMAND, arguments={"run_ids": run_ids})

    async def ask(self) -> None:
        """Ask whether the broker answers.

        Raises:
            OSError: It does not.
        """

        def connect() -> None:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=1)

        try:
            await self._in_thread(connect, timeout_s=CANCEL_TIMEOUT_S)
        except self._faults as fault:
            raise OSError(f"the broker does not answer: {fault}") from fault

    def close(self) -> None:
        """Give connections and threads back; what is on its way is still sent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._app.close()

    async def _in_thread(self, work: Callable[[], Any], *, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _refusals(app: Celery) -> tuple[type[Exception], ...]:
    """Return what a broker's "no" is raised as: kombu passes AMQP's errors on as they are.

    RabbitMQ says it of a wrong password, or of a virtual host that is not there.
    """
    connection: Any = app.connection_for_write()  # It connects when it is used.
    return (*connection.connection_errors, *connection.channel_errors)


def _producer_app(broker_url: str) -> Celery:
    """Make a Celery app that only sends.

    It knows no result store: with one, Celery would open a subscription for every run it
    sends, beside ours.
    """
    app = Celery("api", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        broker_pool_limit=THREADS,
        broker_connection_timeout=2,
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
    )
    if broker_url.startswith(("redis", "unix", "sentinel")):
        app.conf.broker_transport_options = {
            "socket_connect_timeout": 1,
            "socket_timeout": 3,
        }
    return app
