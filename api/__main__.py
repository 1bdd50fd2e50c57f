"""`python -m api`: the HTTP server, until SIGTERM or SIGINT."""

import asyncio
import logging
import resource
import signal
import sys
from types import FrameType

import uvicorn
import uvloop
from litestar import Litestar

from api.app import create_app
from api.audit import prepare_folder
from api.bucket_setup import make_bucket_ready
from api.celery_dispatch import connected_dispatcher
from api.connection import LimitedConnection
from api.observed_app import ObservedApp
from api.profile import Profiles
from api.programmatic_store import connected_execution_store
from api.rate_limits import RateLimits
from api.rate_store import connected_rate_store
from api.settings import ApiSettings
from api.stopping import UntilStopped
from storage.configuration import ConfigurationError, load_settings, unknown_variables
from storage.leaving import leave
from storage.observed import ObservedObjectStore
from storage.s3 import S3ObjectStore
from storage.sessions import Sessions
from telemetry.logs import set_up_logs
from telemetry.traces import TracesError, set_up_traces, storage_span

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Node's pooled sockets race with a server that closes idle ones sooner than they do
(librechat-contract 8, trap 42)."""

SHUTDOWN_GRACE_S = 8
"""What requests may take to end once the server was told to stop; then they are cancelled."""

FAREWELL_S = 1.5
"""What they may take to be told so, and for their runs to be called off. Whoever stops the
server kills it after 10 s: Docker does, and `./code-command up`."""


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = load_settings(ApiSettings)
        if settings.audit_log_dir is not None:
            prepare_folder(settings.audit_log_dir)
        end_traces = set_up_traces(
            settings.otel_exporter_otlp_endpoint, service="code-command-api"
        )
    except (ConfigurationError, TracesError) as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the log is not set up yet
        return 2
    set_up_logs(settings.log_level, settings.log_format)
    for variable in unknown_variables():
        logger.warning("%s", variable)
    _allow_many_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))
    end_traces()
    return 0


def _allow_many_connections() -> None:
    """Take as many descriptors as may be had: each run that waits holds a connection.

    Most systems begin with 1,024, for the sake of programs that use `select`.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(settings: ApiSettings) -> None:
    """Build the real parts and serve. Starts, and goes on, whichever of them is down."""
    store = ObservedObjectStore(S3ObjectStore(settings), around=storage_span)
    async with (
        connected_dispatcher(
            broker_url=settings.broker_url.get_secret_value(),
            result_url=settings.result_url,
            limits=settings.queue_limits,
        ) as dispatcher,
        connected_rate_store(settings.result_url) as rate_store,
        connected_execution_store(settings.result_url) as executions,
        asyncio.TaskGroup() as background,
    ):
        bucket = background.create_task(make_bucket_ready(settings, store))
        app = create_app(
            settings,
            store=store,
            sessions=Sessions(store, max_age=settings.session_max_age),
            dispatcher=dispatcher,
            rounds=dispatcher.rounds,
            executions=executions,
            rate_limits=RateLimits(settings.rates, rate_store),
            storage_errors=store.errors,
        )
        # Uvicorn stops on these, and raises them again when it has: that must not kill what
        # is still to be put away here.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ignore)
        server = make_server(app, settings)
        await server.serve()
        await _tell_cancelled_requests(server)
        bucket.cancel()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Have no effect, unlike the default."""


async def _tell_cancelled_requests(server: uvicorn.Server) -> None:
    """Wait for the last answers: uvicorn cancels what is late, and returns at once."""
    late = set(server.server_state.tasks)
    if server.force_exit:  # A second Ctrl-C: it has not even waited.
        for request in late:
            request.cancel()
    if late:
        await asyncio.wait(late, timeout=FAREWELL_S)


def make_server(app: Litestar, settings: ApiSettings) -> uvicorn.Server:
    """Configure the server; nothing listens yet."""
    usual = Profiles(settings.execution_profile).usual
    server = uvicorn.Server(
        uvicorn.Config(
            ObservedApp(
                UntilStopped(app, is_stopping=lambda: server.should_exit, profile=usual)
            ),
            host=settings.code_host,
            port=settings.code_port,
            http=LimitedConnection,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
            access_log=False,  # Its lines hold query strings.
            log_config=None,
            server_header=False,
        )
    )
    return server


if __name__ == "__main__":
    leave(main())
