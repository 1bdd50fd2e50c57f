"""`python -m executor`: one executor, until SIGTERM."""

import importlib
import logging
import signal
import sys
from typing import Any

from celery import signals

from executor.boot_check import KnownEscapeError
from executor.messages import SHARED_QUEUES
from executor.service import ExecutorService
from executor.settings import ExecutorSettings
from executor.shared_assets import SharedAssetsError
from executor.tasks import app, wire
from executor.tool_messages import round_queue
from storage.configuration import ConfigurationError, load_settings
from storage.leaving import leave
from telemetry.logs import set_up_logs
from telemetry.traces import TracesError, set_up_traces

CELERY_LOGS_WITH_CONTENT = ("celery.app.trace", "celery.worker.strategy")
"""At INFO these write what a task returns: the output of users' programs."""


class WorkerEnd:
    """How Celery's worker ended: `worker_main` does not say."""

    def __init__(self) -> None:
        self.exit_code = 0

    def note(self, sender: Any = None, **_: Any) -> None:
        """Take note, for the signal `worker_shutdown`.

        What Celery gives up on is no exception here: it is logged, and the worker ends as if
        it had been told to. Whoever restarts failed services must hear that it had not.
        """
        self.exit_code = getattr(sender, "exitcode", None) or 0


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = load_settings(ExecutorSettings)
        end_traces = set_up_traces(
            settings.otel_exporter_otlp_endpoint, service="code-command-executor"
        )
        service = ExecutorService(settings)
    except (ConfigurationError, SharedAssetsError, TracesError) as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the log is not set up yet
        return 2
    set_up_logs(settings.log_level, settings.log_format)
    for name in CELERY_LOGS_WITH_CONTENT:
        logging.getLogger(name).setLevel(logging.WARNING)
    wire(service, settings)

    def on_shutdown(**_: Any) -> None:
        service.hand_back_after(settings.executor_shutdown_grace)

    signals.worker_shutting_down.connect(on_shutdown, weak=False)
    worker = WorkerEnd()
    signals.worker_shutdown.connect(worker.note)
    # `worker_main` imports its command line when it is called. An import that the handler below
    # ends may turn its SystemExit into another error (seen: RuntimeError of `__set_name__`).
    importlib.import_module("celery.bin.celery")
    # Celery listens for it once its worker is up. A pool is being filled long before.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        service.start()
        app.worker_main(
            [
                "--quiet",  # Its banner is no log line.
                "worker",
                "--pool=threads",
                f"--concurrency={settings.runs_at_once + settings.spare_runs}",
                f"--hostname=executor@{service.instance_id}",
                f"--queues={','.join((round_queue(service.instance_id), *SHARED_QUEUES))}",
                f"--loglevel={settings.log_level}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
        )
    except KnownEscapeError as fault:
        logging.getLogger(__name__).error("%s", fault)  # noqa: TRY400 - said in one line
        return 2
    finally:
        service.stop()
        end_traces()
    return worker.exit_code


if __name__ == "__main__":
    leave(main())
