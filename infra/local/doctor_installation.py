"""What `doctor` sees of the installation beside isolation: settings, servers, room.

None of it counts for the grade. Nothing is changed, and nothing is started.
"""

import asyncio
import importlib.util
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError

from api.settings import ApiSettings
from executor.redis_connection import REDIS_SCHEMES
from executor.settings import ExecutorSettings
from infra.local.config import Config
from infra.local.credentials import random_key
from infra.local.doctor_checks import Check, State
from infra.local.ports import why_not_free
from infra.local.service import health_problem, standing_in
from storage.configuration import ConfigurationError, load_settings, unknown_variables
from storage.errors import StorageError
from storage.s3 import S3ObjectStore

TIMEOUT_S = 3.0

MOST_SECONDS_APART = 5.0
"""As much as an executor finds worth a line in its log (`executor.broker_clock`)."""

LEAST_FREE_BYTES = 2 * 1024**3
WAITING_BYTES = 160 * 1024**2
"""Of memory, for a sandbox that waits."""

MEMINFO = Path("/proc/meminfo")


def examine_installation(config: Config) -> tuple[Check, ...]:
    """Look at everything that an operator can get wrong, each with its mend."""
    return tuple(_checks(config))


def _checks(config: Config) -> Iterator[Check]:
    told = dict(config.environment)
    if not config.has_own_keys:
        told["CODE_API_KEY"] = random_key()  # `up` makes one.
    for variable in unknown_variables(told):
        yield _warning("settings", str(variable), "correct its name, or take it away")
    try:
        with standing_in(told):
            api, executor = load_settings(ApiSettings), load_settings(ExecutorSettings)
    except ConfigurationError as fault:
        for line in str(fault).splitlines():
            yield _bad("settings", line, "correct it in .env or in the environment")
        return
    yield _ok("settings", "every variable has a value that can be used")
    yield _port(config)
    yield from _servers(config, api)
    yield _disk(config.work_dir)
    yield _memory(executor)
    yield from _folders(api)
    if api.otel_exporter_otlp_endpoint:
        yield _traces()


def _port(config: Config) -> Check:
    why = why_not_free(config.port, host=config.host)
    if why is None:
        return _ok("port", f"{config.port} on {config.host} is free")
    problem = health_problem(config)
    if problem is None:
        return _ok("port", f"the API answers on {config.local_url}")
    return _bad(
        "port",
        f"{config.port} on {config.host} cannot be had, and no API of ours is there: {problem}",
        why,
    )


def _servers(config: Config, settings: ApiSettings) -> Iterator[Check]:
    if config.has_own_broker:
        broker_url = settings.broker_url.get_secret_value()
        if not broker_url.startswith(REDIS_SCHEMES):
            yield _broker(broker_url)
        yield _result_store(settings.result_url)
    else:
        yield _ok("broker", "up starts its own")
    if config.has_own_storage:
        yield _storage(settings, config.environment)
    else:
        yield _ok("storage", "up starts its own")


def _broker(url: str) -> Check:
    try:
        with Connection(url, connect_timeout=TIMEOUT_S) as connection:
            connection.ensure_connection(max_retries=1, timeout=int(TIMEOUT_S))
    except Exception as fault:  # noqa: BLE001 - whatever its library raises
        text = f"the broker does not answer: {type(fault).__name__}"
        return _bad("broker", text, "start it, or correct BROKER_URL (host, port, password)")
    return _ok("broker", "answers")


def _result_store(url: str) -> Check:
    try:
        with closing(
            Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        ) as redis:
            asked_at = time.time()
            told: Any = redis.time()
            apart_s = told[0] + told[1] / 1e6 - (asked_at + time.time()) / 2
    except (RedisError, OSError) as fault:
        return _bad(
            "results",
            f"the result store does not answer: {fault}",
            "start it, or correct BROKER_URL or RESULT_BACKEND_URL (host, port, password)",
        )
    if abs(apart_s) > MOST_SECONDS_APART:
        text = f"its clock and this host's are {abs(apart_s):.0f} s apart"
        return _warning("results", text, "run chrony or systemd-timesyncd on both")
    return _ok("results", "the result store answers, and its clock is this host's")


def _storage(settings: ApiSettings, environment: Mapping[str, str]) -> Check:
    with standing_in(environment):  # AWS's own chain of credentials reads it.
        store = S3ObjectStore(settings)
        try:
            asyncio.run(store.check())
        except StorageError as fault:
            cause = type(fault.__cause__ or fault).__name__
            return _bad(
                "storage",
                f"object storage does not answer, or has no bucket {settings.s3_bucket}"
                f" for us ({cause})",
                "correct S3_ENDPOINT_URL and the key; the bucket is made at the first start of"
                " the API, if the key may do that",
            )
    return _ok("storage", f"the bucket {settings.s3_bucket} can be used")


def _disk(work_dir: Path) -> Check:
    place = _existing(work_dir)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return _bad(
            "disk",
            f"CODE_WORK_DIR {work_dir} cannot be made: this user may not write in {place}",
            "set another CODE_WORK_DIR, or have that folder given to you",
        )
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        return _bad(
            "disk",
            f"{free / 1024**3:.1f} GB are free at {place}",
            "make room, or set another CODE_WORK_DIR",
        )
    return _ok("disk", f"{free / 1024**3:.0f} GB are free at {place}")


def _memory(settings: ExecutorSettings) -> Check:
    one = settings.large_memory_bytes + settings.workspace_size_limit
    most = (settings.runs_at_once + settings.spare_runs) * one
    most += settings.most_waiting_sandboxes * WAITING_BYTES
    there = _memory_bytes()
    text = f"runs may take {most / 1024**3:.1f} GB at worst, of {there / 1024**3:.1f}"
    if most > there:
        return _warning(
            "memory", text, "lower EXECUTOR_CONCURRENCY or MEMORY_LIMIT_LARGE, or add memory"
        )
    return _ok("memory", text)


def _folders(settings: ApiSettings) -> Iterator[Check]:
    folder = settings.audit_log_dir
    if folder is None:
        return
    if os.access(_existing(folder), os.W_OK | os.X_OK):
        yield _ok("audit log", f"{folder} can be written")
    else:
        yield _bad(
            "audit log",
            f"AUDIT_LOG_DIR {folder} cannot be written by this user",
            f"make it, and give it to the API's user: install -d -o USER {folder}",
        )


def _traces() -> Check:
    if importlib.util.find_spec("opentelemetry") is None:
        return _bad(
            "traces",
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed",
            ".venv/bin/python -m pip install --require-hashes -r requirements/traces.txt",
        )
    return _ok("traces", "OpenTelemetry is installed")


def _existing(path: Path) -> Path:
    # Not `path.exists()`, which raises where a folder above may not be entered.
    while not os.path.exists(path):  # noqa: PTH110
        path = path.parent
    return path


def _memory_bytes() -> int:
    head = MEMINFO.read_text(encoding="ascii").splitlines()[0]
    return int(head.split()[1]) * 1024


def _ok(name: str, text: str) -> Check:
    return Check(name=name, state=State.OK, text=text)


def _warning(name: str, text: str, advice: str) -> Check:
    return Check(name=name, state=State.WARNING, text=text, advice=advice)


def _bad(name: str, text: str, advice: str) -> Check:
    return Check(name=name, state=State.BAD, text=text, advice=advice)
