"""`python -m tests.api.stand_in_executor BROKER_URL RESULT_URL NAME SPARE`.

What `tests.api.broker` starts.

Real Celery, real messages and signs of life; only the sandboxes are missing. What is done is
what the run's code says. It takes no spare runs, however many it says that it bears: as one
whose spare slots have the runs of another API process.
"""

import asyncio
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from typing import Any

import redis
from celery import Celery
from celery.signals import worker_ready
from celery.worker.control import control_command

from executor.messages import (
    CANCEL_COMMAND,
    COMPILED_QUEUE_NAME,
    QUEUE_NAME,
    TASK_NAME,
    Failed,
    FailureKind,
    Finished,
    RunReport,
    RunRequest,
)
from executor.reports import Reports
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorStatus

CAPACITY = 8
BEAT_S = 0.2
TTL_S = 1

broker_url, url, instance_id, spare = sys.argv[1:]
client = redis.Redis.from_url(url)
cancelled: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""By the id of the run: one that has lost its executor is called off everywhere."""

app = Celery("stand-in", broker=broker_url, backend=url)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_default_queue=QUEUE_NAME,
)


@app.task(name=TASK_NAME, store_errors_even_if_ignored=True)
def run_code(message: dict[str, Any]) -> None:
    asyncio.run(run_and_tell(RunRequest.model_validate(message)))


async def run_and_tell(request: RunRequest) -> None:
    reports = Reports(url, instance_id=instance_id)
    if await reports.claim(request.run_id, until=request.deadline):
        await reports.begun(request.run_id)
        report = await asyncio.to_thread(run, request)
        await reports.ended(report, until=request.deadline)
    await reports.close()


def run(request: RunRequest) -> RunReport:
    client.rpush("begun", f"{request.run_id} on {instance_id}")
    if request.code == "raise":
        raise RuntimeError("a bug in the executor")
    if request.code == "wait":
        cancelled[request.run_id].wait()
        return RunReport(run_id=request.run_id, result=Failed(kind=FailureKind.CANCELLED))
    if request.code == "wait for go":
        client.blpop(["go"], timeout=30)
    if request.code == "wait for go, say what was first":
        client.blpop(["go"], timeout=30)
        request = request.model_copy(update={"args": (request.first_run_id,)})
    stdout = "".join(request.args)
    result = Finished(exit_code=0, stdout=stdout, stderr="", wall_time_ms=1)
    return RunReport(run_id=request.run_id, result=result)


@control_command(name=CANCEL_COMMAND, args=[("run_ids", list)])
def cancel_runs(_state: Any, run_ids: list[str]) -> None:
    client.rpush("cancelled", *run_ids)
    for run_id in run_ids:
        cancelled[run_id].set()


def beat() -> None:
    status = ExecutorStatus(
        instance_id=instance_id,
        host="here",
        engine="up",
        ready_sandboxes=1,
        running=0,
        capacity=CAPACITY,
        spare_capacity=int(spare),
    )
    while True:
        with suppress(redis.RedisError):  # It is away; the next beat is due anyway.
            client.set(HEARTBEAT_KEY_PREFIX + instance_id, status.model_dump_json(), ex=TTL_S)
        threading.Event().wait(BEAT_S)


@worker_ready.connect
def begin_to_beat(**_: Any) -> None:
    threading.Thread(target=beat, daemon=True).start()


app.worker_main(
    [
        "worker",
        "--pool=threads",
        f"--concurrency={CAPACITY}",
        f"--hostname=executor@{instance_id}",
        f"--queues={QUEUE_NAME},{COMPILED_QUEUE_NAME}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
)
