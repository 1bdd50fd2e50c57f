"""What `up` asks of the host before it starts anything: the runtime, and known escapes."""

from collections.abc import Mapping

from docker.errors import DockerException  # noqa: TID251 - infra/local may talk to Docker

from executor.boot_check import find, refusal
from executor.docker_versions import RUNC_NAMES
from executor.sandbox import SandboxUnavailableError
from executor.settings import ExecutorSettings
from infra.local import gvisor
from infra.local.console import Console
from infra.local.doctor_facts import sandbox_parts
from infra.local.errors import EngineError
from infra.local.sandbox_engine import SandboxEngine
from infra.local.service import standing_in
from storage.configuration import load_settings


def check_host(environment: Mapping[str, str], engine: SandboxEngine, console: Console) -> None:
    """Refuse a host that cannot make the sandboxes, or may not; tell of known escapes.

    Args:
        environment: Of the executor, whose settings are valid.
        engine: What is going to make the sandboxes.
        console: Where known escapes are told that nobody wants refused.

    Raises:
        EngineError: The engine does not know `SANDBOX_RUNTIME`, or `SANDBOX_STRICT` is set and
            this host has known escapes.
    """
    with standing_in(environment):
        settings = load_settings(ExecutorSettings)
        try:
            if engine == "docker":
                _need_runtime(settings.sandbox_runtime)
            findings = find(sandbox_parts(engine, settings.sandbox_runtime))
        except (SandboxUnavailableError, DockerException, OSError) as fault:
            unknown = f"versions cannot be checked for known escapes: {fault}"
            if settings.sandbox_strict:
                raise EngineError(f"SANDBOX_STRICT: {unknown}") from fault
            console.say(f"note: {unknown}")
            return
    problem = refusal(findings)
    if problem and settings.sandbox_strict:
        raise EngineError(problem)
    if problem:
        names = ", ".join(finding.escape.cve for finding in findings if finding.is_open)
        console.say(
            f"note: known escapes: {names}. ./code-command doctor says what to do;"
            " SANDBOX_STRICT=true refuses such a host"
        )


def _need_runtime(runtime: str) -> None:
    if runtime not in RUNC_NAMES and not gvisor.knows(runtime):
        raise EngineError(
            f"SANDBOX_RUNTIME: the Docker engine knows no {runtime!r};"
            f" {gvisor.how_to_add(runtime)}"
        )
