"""`python -m executor`: one executor, until SIGTERM."""

import importlib
import logging
import signal
import sys
from typing import Any

from celery import signals

from executor.messages import QUEUE_NAME
from executor.service import ExecutorService
from executor.settings import ExecutorSettings
from executor.shared_assets import SharedAssetsError
from executor.tasks import app, wire
from executor.tool_messages import round_queue
from storage.configuration import ConfigurationError, load_settings

SHUTDOWN_GRACE_S = 8.0
"""What a run may take to end by itself once the executor was told to stop."""

CELERY_LOGS_WITH_CONTENT = ("celery.app.trace", "celery.worker.strategy")
"""At INFO these write what a task returns: the output of users' programs."""


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = load_settings(ExecutorSettings)
        service = ExecutorService(settings)
    except (ConfigurationError, SharedAssetsError) as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the log is not set up yet
        return 2
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for name in CELERY_LOGS_WITH_CONTENT:
        logging.getLogger(name).setLevel(logging.WARNING)
    wire(service, settings)

    def on_shutdown(**_: Any) -> None:
        service.cancel_all_after(SHUTDOWN_GRACE_S)

    signals.worker_shutting_down.connect(on_shutdown, weak=False)
    # `worker_main` imports its command line when it is called. An import that the handler below
    # ends may turn its SystemExit into another error (seen: RuntimeError of `__set_name__`).
    importlib.import_module("celery.bin.celery")
    # Celery listens for it once its worker is up. A pool is being filled long before.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        service.start()
        app.worker_main(
            [
                "worker",
                "--pool=threads",
                f"--concurrency={settings.executor_concurrency}",
                f"--hostname=executor@{service.instance_id}",
                f"--queues={round_queue(service.instance_id)},{QUEUE_NAME}",
                f"--loglevel={settings.log_level}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
        )
    finally:
        service.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
