"""The API and the executor as children: what they are told, and when they are ready."""

import http.client
import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from api.settings import ApiSettings
from executor.settings import ExecutorSettings
from infra.local.child import ChildSpec
from infra.local.config import CHECKOUT, Config
from infra.local.console import Console
from infra.local.errors import BadSettingError
from infra.local.work_dir import WorkDir
from storage.configuration import ConfigurationError, load_settings, unknown_variables

API = "api"
EXECUTOR = "executor"

START_TIMEOUT_S = 120.0
"""For the whole service to be healthy; the first sandbox of the pool is loading modules."""

_API_GRACE_S = 10.0
_EXECUTOR_GRACE_S = 15.0
"""It ends what runs and removes its containers."""

_LOOPBACK_NAMES = "127.0.0.1,::1,localhost"


def shared_environment(config: Config, work_dir: WorkDir) -> dict[str, str]:
    """Return what both processes start from: everything the user has set, and where we are.

    A proxy that the user has set for the outside must not be asked for our own servers.
    """
    environment = {
        **config.environment,
        "PYTHONPATH": str(CHECKOUT),
        "CODE_WORK_DIR": str(work_dir.path),
        "CODE_EXECUTOR_ID": config.environment.get("CODE_EXECUTOR_ID")
        or work_dir.executor_id(),
        "SANDBOX_IMAGE": config.sandbox_image,
    }
    for name in ("no_proxy", "NO_PROXY"):
        named = environment.get(name)
        environment[name] = f"{named},{_LOOPBACK_NAMES}" if named else _LOOPBACK_NAMES
    return environment


def executor_spec(environment: Mapping[str, str], work_dir: WorkDir) -> ChildSpec:
    """Return how to start the executor."""
    # Its programs' code comes from strangers: it gets no key that opens the API.
    hidden = {
        "CODE_API_KEY",
        "CODE_API_KEYS",
        "CODE_API_KEYS_FILE",
        "CODEAPI_JWT_HS256_SECRET",
    }
    told = {name: value for name, value in environment.items() if name not in hidden}
    return _spec(EXECUTOR, told, work_dir.log(EXECUTOR), grace_s=_EXECUTOR_GRACE_S)


def api_spec(
    environment: Mapping[str, str], work_dir: WorkDir, config: Config, api_key: str | None
) -> ChildSpec:
    """Return how to start the API; `api_key` where the user has set none."""
    told = {
        **environment,
        "CODE_HOST": config.host,
        "CODE_PORT": str(config.port),
        "CODE_API_KEYS_FILE": str(config.keys_file),
    }
    if api_key is not None:
        told["CODE_API_KEY"] = api_key
    return _spec(API, told, work_dir.log(API), grace_s=_API_GRACE_S)


def check_settings(
    executor: Mapping[str, str], api: Mapping[str, str], console: Console
) -> None:
    """Read the settings as the two processes will; tell of variables that nothing reads.

    Raises:
        BadSettingError: One of the processes would refuse to start.
    """
    for variable in unknown_variables(api):
        console.say(f"note: {variable}")
    try:
        with standing_in(executor):
            load_settings(ExecutorSettings)
        with standing_in(api):
            load_settings(ApiSettings)
    except ConfigurationError as fault:
        raise BadSettingError(str(fault)) from fault


@contextmanager
def standing_in(environment: Mapping[str, str]) -> Generator[None, None, None]:
    """Let `environment` be this process's for a moment."""
    ours = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(ours)


def health_problem(config: Config) -> str | None:
    """Ask the API how the service is: `None` if well, else what it said."""
    host, port = config.local_address
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = answer.read(4096).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as fault:
        return f"it does not answer ({fault})"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    return f"/health says {answer.status}: {_shortened(body)}"


def _shortened(body: str) -> str:
    try:
        return json.dumps(json.loads(body))[:400]
    except ValueError:
        return body[:400]


def _spec(name: str, environment: Mapping[str, str], log: Path, *, grace_s: float) -> ChildSpec:
    return ChildSpec(
        name=name,
        argv=(sys.executable, "-P", "-m", name),
        environment={**environment, "PYTHONUNBUFFERED": "1"},
        cwd=CHECKOUT,
        log=log,
        grace_s=grace_s,
    )
