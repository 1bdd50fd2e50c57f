"""Runs that are sent to stand-in executors over a real Valkey."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import pytest

from api.celery_dispatch import CeleryDispatcher, connected_dispatcher
from api.turns import QueueLimits
from executor.messages import Finished, RunReport, RunRequest
from tests.api.broker import Valkey, taken

LIMITS = QueueLimits(runs=1000, runs_per_tenant=1000, wait_s=30)


def make_request(code: str = "echo", *args: str, wait_s: float = 30, **more: Any) -> RunRequest:
    known: dict[str, Any] = {"tenant": "default", "user": "somebody", "language": "py"}
    return RunRequest(
        run_id=uuid4().hex,
        session_id="S" * 21,
        code=code,
        args=args,
        deadline=time.time() + wait_s,
        **known | more,
    )


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in executors beat ten times as fast as real ones; so do we look."""
    monkeypatch.setattr("api.live_executors.HEARTBEAT_INTERVAL_S", 0.2)
    monkeypatch.setattr("api.live_executors.HEARTBEAT_TTL_S", 1.0)
    monkeypatch.setattr("api.live_executors.LOST_AFTER_S", 0.3)
    monkeypatch.setattr("api.celery_dispatch.HEARTBEAT_INTERVAL_S", 0.2)
    monkeypatch.setattr("api.celery_dispatch.REPORT_GRACE_S", 0.2)


def connected(
    valkey: Valkey, limits: QueueLimits = LIMITS
) -> AbstractAsyncContextManager[CeleryDispatcher]:
    return connected_dispatcher(
        broker_url=valkey.broker_url, result_url=valkey.url, limits=limits
    )


async def noted(valkey: Valkey, key: str) -> str:
    return await asyncio.to_thread(taken, valkey, key)


async def begun(valkey: Valkey) -> tuple[str, str]:
    """Wait for a worker to begin a run; return the run's id and the worker's."""
    run_id, _, instance_id = (await noted(valkey, "begun")).partition(" on ")
    return run_id, instance_id


def stdout_of(report: RunReport) -> str:
    assert isinstance(report.result, Finished)
    return report.result.stdout
