"""`up`: the whole service on this machine, until Ctrl-C."""

import shlex
from dataclasses import replace

from docker.errors import DockerException  # noqa: TID251 - infra/local may talk to Docker

from infra.local.broker import START_TIMEOUT_S as BROKER_TIMEOUT_S
from infra.local.broker import Broker
from infra.local.child import Child
from infra.local.config import Config
from infra.local.console import Console
from infra.local.credentials import API_KEY, kept_secret, secret_path
from infra.local.engine import remove_containers_of
from infra.local.engine_setup import NAME as DOCKERD
from infra.local.engine_setup import ensure_engine
from infra.local.errors import BadSettingError, ChildFailedError
from infra.local.host_check import check_host
from infra.local.image import ensure_sandbox_image
from infra.local.ports import why_not_free
from infra.local.sandbox_engine import choose_sandbox_engine
from infra.local.sbom import report_sbom
from infra.local.service import (
    START_TIMEOUT_S,
    api_spec,
    check_settings,
    executor_spec,
    health_problem,
    shared_environment,
)
from infra.local.storage_server import START_TIMEOUT_S as STORAGE_TIMEOUT_S
from infra.local.storage_server import StorageServer
from infra.local.supervisor import Supervisor
from infra.local.work_dir import WorkDir, held, open_work_dir

DEFAULT_BUCKET = "code-command"

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended before it had done its work."""


def up(config: Config, console: Console) -> int:
    """Start everything, keep it running, and stop it at the first signal.

    Raises:
        LocalError: It cannot be started; whatever had been started is stopped again.
    """
    work_dir = open_work_dir(config.work_dir)
    is_ready = False
    try:
        with held(work_dir), Supervisor(console) as supervisor:
            _refuse_taken_port(config)
            _start(config, work_dir, supervisor, console)
            is_ready = True
            _introduce(config, work_dir, console)
            supervisor.watch()
    except KeyboardInterrupt:
        console.say(f"stopped; the data are kept in {work_dir.path}")
    return 0 if is_ready else INTERRUPTED


def _start(config: Config, work_dir: WorkDir, supervisor: Supervisor, console: Console) -> None:
    ensure_engine(supervisor, console, work_dir.log(DOCKERD))
    servers = _Servers(config, work_dir, supervisor)
    environment = shared_environment(config, work_dir) | servers.service_environment
    api_key = None if config.has_own_keys else kept_secret(work_dir, API_KEY)
    executor = executor_spec(environment, work_dir)
    api = api_spec(environment, work_dir, config, api_key)
    # Before the image, which may take minutes, and while the servers start.
    check_settings(executor.environment, api.environment, console)
    image = config.sandbox_image
    is_new = ensure_sandbox_image(image, console.say, languages=config.sandbox_languages)
    console.done(f"sandbox image {image} is there")
    if is_new:
        report_sbom(image, work_dir, console)
    servers.wait(console)
    owner = environment["CODE_EXECUTOR_ID"]
    supervisor.at_stop(lambda: _remove_containers(owner, console))
    engine = choose_sandbox_engine(executor.environment, console)
    executor = replace(executor, environment={**executor.environment, "SANDBOX_ENGINE": engine})
    check_host(executor.environment, engine, console)
    console.say("starting the API and the executor")
    children = supervisor.start(executor), supervisor.start(api)
    _wait_for_health(config, supervisor, children, console)


class _Servers:
    """Object store and broker: started first, waited for when they are needed."""

    def __init__(self, config: Config, work_dir: WorkDir, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._storage: tuple[StorageServer, Child] | None = None
        self._broker: tuple[Broker, Child] | None = None
        self.service_environment: dict[str, str] = {}
        """What the service is to be told of them."""
        if not config.has_own_storage:
            bucket = config.environment.get("S3_BUCKET") or DEFAULT_BUCKET
            storage = StorageServer(work_dir, bucket=bucket)
            self._storage = storage, supervisor.start(storage.spec())
            self.service_environment |= storage.service_environment
        if not config.has_own_broker:
            broker = Broker(work_dir)
            self._broker = broker, supervisor.start(broker.spec())
            self.service_environment["BROKER_URL"] = broker.url

    def wait(self, console: Console) -> None:
        """Wait until they answer, and the bucket is there."""
        if self._broker is not None:
            broker, child = self._broker
            self._supervisor.wait_until(
                broker.is_answering, children=[child], timeout_s=BROKER_TIMEOUT_S
            )
            console.done("broker answers")
        if self._storage is not None:
            storage, child = self._storage
            self._supervisor.wait_until(
                storage.is_answering, children=[child], timeout_s=STORAGE_TIMEOUT_S
            )
            storage.ensure_bucket()
            console.done("object storage answers")


def _wait_for_health(
    config: Config, supervisor: Supervisor, children: tuple[Child, ...], console: Console
) -> None:
    problem: str | None = None

    def is_well() -> bool:
        nonlocal problem
        problem = health_problem(config)
        if problem is not None:
            console.status(f"waiting for the API: {problem}")
        return problem is None

    try:
        supervisor.wait_until(is_well, children=children, timeout_s=START_TIMEOUT_S)
    except ChildFailedError as fault:
        raise ChildFailedError(f"{fault}\nThe API: {problem}") from fault


def _remove_containers(owner: str, console: Console) -> None:
    """Remove what an executor that had to be killed left behind."""
    try:
        count = remove_containers_of(owner)
    except (DockerException, OSError) as fault:
        console.say(f"sandboxes may be left; the next start removes them ({fault})")
        return
    if count:
        console.say(f"removed {count} sandboxes that were left")


def _refuse_taken_port(config: Config) -> None:
    why = why_not_free(config.port, host=config.host)
    if why is not None:
        raise BadSettingError(f"port {config.port} on {config.host} cannot be had: {why}")


def _introduce(config: Config, work_dir: WorkDir, console: Console) -> None:
    """Print where the service is, where the key is, and a request to try."""
    place = shlex.quote(str(secret_path(work_dir, API_KEY)))
    key = f"$(cat {place})"
    if config.has_own_keys:
        place = "as you set it, in CODE_API_KEY or CODE_API_KEYS"
        key = "$CODE_API_KEY" if config.environment.get("CODE_API_KEY") else "YOUR KEY"
    console.done("Code Command is ready")
    console.plain(
        f"""
  address  {config.local_url}
  API key  {place}
  logs     {work_dir.logs}

Try it:
  curl -s {config.local_url}/exec \\
    -H "X-API-Key: {key}" \\
    -H 'Content-Type: application/json' \\
    -d '{{"lang": "py", "code": "print(6 * 7)"}}'
"""
    )
    console.plain(_advice(config))
    console.plain("\nCtrl-C stops it.")


_WHERE_THE_KEY_GOES = "(where the key goes depends on its version: README.md, With LibreChat)"


def _advice(config: Config) -> str:
    """Say how LibreChat reaches the service."""
    if config.is_loopback:
        return (
            f"LibreChat on this machine: LIBRECHAT_CODE_BASEURL={config.local_url}/v1\n"
            f"{_WHERE_THE_KEY_GOES}\n"
            "LibreChat in Docker cannot reach a loopback address: start with --host 0.0.0.0"
        )
    return (
        "LibreChat in Docker: LIBRECHAT_CODE_BASEURL="
        f"http://host.docker.internal:{config.port}/v1\n"
        '(on Linux its container needs extra_hosts: ["host.docker.internal:host-gateway"])\n'
        f"{_WHERE_THE_KEY_GOES}\n"
        "Other machines can reach this address too, over HTTP in the clear: the key keeps them "
        "out,\nbut does not keep them from listening. Use a firewall, or a proxy with TLS."
    )
