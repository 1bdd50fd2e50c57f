"""The Docker engine by itself: what containers like ours cost without anything of ours."""

import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

from executor.docker_spec import container_spec
from executor.policy import SandboxPolicy
from executor.settings import ExecutorSettings
from infra.local.engine import connect
from tests.bench.reports import BenchError

LABEL = "com.code-command.bench"
"""On every container made here, so that whatever an interrupted run left can be found."""

_UID = 65_534


def bare_config(image: str, *, command: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return what the executor asks of the engine for a sandbox, without its volume.

    Args:
        image: The sandbox's image.
        command: What runs in it; `None` is the supervisor, as ever.
    """
    policy = SandboxPolicy.from_settings(ExecutorSettings(sandbox_image=image))
    config = container_spec(policy, uid=_UID, owner="bench", shared_volume=None)
    config["Labels"] = {LABEL: "true"}
    if command is not None:
        config["Entrypoint"] = list(command)
        config |= {"OpenStdin": False, "StdinOnce": False, "AttachStdin": False}
    return config


@contextmanager
def engine() -> Generator[Any, None, None]:
    """Connect to the engine; afterwards remove whatever was left there by us."""
    with closing(connect()) as client:
        try:
            yield client.api
        finally:
            left = client.api.containers(all=True, quiet=True, filters={"label": LABEL})
            for container in left:
                client.api.remove_container(container["Id"], force=True)


def create_and_start(api: Any, config: dict[str, Any]) -> float:
    """Make a container like a sandbox and start it; return the milliseconds that took.

    Attaching to it is part of it: nothing can be handed to it otherwise. It is removed
    afterwards, which does not count.
    """
    began_at = time.perf_counter()
    container = api.create_container_from_config(config)["Id"]
    try:
        line = api.attach_socket(container, params={"stdin": 1, "stdout": 1, "stream": 1})
        api.start(container)
        took_ms = (time.perf_counter() - began_at) * 1000
        line.close()
    finally:
        api.remove_container(container, force=True)
    return took_ms


def rate_of_empty_containers(image: str, *, parallel: int, seconds: float) -> float:
    """Create, start and remove containers in which nothing happens; return how many a second.

    Raises:
        BenchError: The engine refused.
    """
    config = bare_config(image, command=("/bin/true",))
    end_at = time.monotonic() + seconds
    counts: list[float] = []
    faults: list[Exception] = []

    def keep_making() -> None:
        try:
            with closing(connect()) as client:
                counts.append(_make_until(client.api, config, end_at))
        except Exception as fault:  # noqa: BLE001 - told below, by the thread that waits
            faults.append(fault)

    began_at = time.monotonic()
    workers = [threading.Thread(target=keep_making) for _ in range(parallel)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if faults:
        raise BenchError(f"the engine refused: {faults[0]}") from faults[0]
    return sum(counts) / (time.monotonic() - began_at)


def _make_until(api: Any, config: dict[str, Any], end_at: float) -> int:
    count = 0
    while time.monotonic() < end_at:
        container = api.create_container_from_config(config)["Id"]
        api.start(container)
        api.remove_container(container, force=True)
        count += 1
    return count
