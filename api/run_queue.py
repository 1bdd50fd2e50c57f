"""Puts runs on a queue in Redis from the event loop, as Celery's producer would.

Celery's own producer takes a thread, a look-up of the queue and a copy of the program's text
for logs: 1.1 ms a run. What it makes is a protocol (Celery's "Message Protocol", version 2, in
kombu's envelope for brokers without headers), and a test holds this module to it. Any other
broker has Celery's producer (`api.run_producer`).
"""

import asyncio
import base64
import time
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from celery import Celery
from redis.exceptions import RedisError

from api.dispatch import BrokerUnavailableError
from executor.messages import QUEUE_NAME, TASK_NAME, RunRequest
from executor.redis_connection import redis_at
from executor.round_queue import EXPIRY_S
from executor.tool_messages import ROUND_TASK_NAME, RoundRequest, round_queue

SEND_TIMEOUT_S = 4.0
REDIS_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 8
"""Runs in excess wait for their turn here, for some tenths of a millisecond each."""

LARGE_BYTES = 256 * 1024
"""Messages beyond are written in a thread: 4 MB of code take some 20 ms to encode."""

COMPARE_INTERVAL_S = 10.0
"""How old a comparison of our clock with the broker's may be."""

NOT_SHOWN = "(...)"
"""What logs and events may say of the arguments: nothing."""

_FAULTS = (RedisError, OSError, TimeoutError)

Request = TypeVar("Request", RunRequest, RoundRequest)


class RedisRunQueue:
    """The queue of runs, in the Redis or Valkey that is the broker."""

    def __init__(self, url: str) -> None:
        # A message that is there twice, since it was sent again, is run once all the same
        # (`executor.reports`).
        self._redis = redis_at(url, timeout_s=REDIS_TIMEOUT_S)
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._celery = Celery("api", set_as_current=False)
        self._clock_is_slow_by_s = 0.0
        self._compare_at = float("-inf")

    async def send(self, request: RunRequest) -> None:
        """Put a run on the queue.

        Raises:
            BrokerUnavailableError: The broker does not answer. In rare cases it has the
                run all the same; an executor drops it once its deadline has passed.
        """
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S), self._turns:
                request = await self._by_brokers_clock(request)
                queue = request.queue
                if len(request.code) > LARGE_BYTES:
                    message = await asyncio.to_thread(self.message, request, TASK_NAME, queue)
                else:
                    message = self.message(request, TASK_NAME, queue)
                await self._redis.execute_command("LPUSH", queue, message)
        except _FAULTS as fault:
            raise BrokerUnavailableError("the broker does not answer") from fault

    async def _by_brokers_clock(self, request: Request) -> Request:
        """Return `request` with the deadline that executors go by (`executor.broker_clock`)."""
        if time.monotonic() >= self._compare_at:
            asked_at = time.time()
            seconds, microseconds = await self._redis.time()
            halfway = (asked_at + time.time()) / 2
            self._clock_is_slow_by_s = seconds + microseconds / 1e6 - halfway
            self._compare_at = time.monotonic() + COMPARE_INTERVAL_S
        deadline = request.deadline + self._clock_is_slow_by_s
        return request.model_copy(update={"deadline": deadline})

    async def send_round(self, request: RoundRequest, executor: str) -> None:
        """Put answers for a program that waits on its executor's own queue. As `send`."""
        queue = round_queue(executor)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S), self._turns:
                request = await self._by_brokers_clock(request)
                message = await asyncio.to_thread(self.message, request, ROUND_TASK_NAME, queue)
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.lpush(queue, message)
                    pipe.expire(queue, EXPIRY_S)
                    await pipe.execute()
        except _FAULTS as fault:
            raise BrokerUnavailableError("the broker does not answer") from fault

    def message(
        self,
        request: RunRequest | RoundRequest,
        task_name: str = TASK_NAME,
        queue: str = QUEUE_NAME,
    ) -> bytes:
        """Write a run as a message of Celery's."""
        task: Any = self._celery.amqp.as_task_v2(
            request.run_id,
            task_name,
            argsrepr=NOT_SHOWN,
            kwargsrepr=NOT_SHOWN,
            ignore_result=True,  # Executors tell it themselves, in Celery's form.
        )
        options = msgspec.json.encode(task.body[2])
        body = b"[[%b], {}, %b]" % (request.model_dump_json().encode(), options)
        return msgspec.json.encode(
            {
                "body": base64.b64encode(body).decode("ascii"),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": task.headers,
                "properties": {
                    **task.properties,
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": "", "routing_key": queue},
                    "priority": 0,
                    "body_encoding": "base64",
                    "delivery_tag": str(uuid4()),
                },
            }
        )

    async def close(self) -> None:
        """Give the connections back."""
        with suppress(RedisError, OSError):
            await self._redis.aclose()
