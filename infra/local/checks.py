"""`check` and `test`: what must hold before a change is sent in."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from docker.errors import DockerException  # noqa: TID251 - infra/local may talk to Docker

from infra.local import apt, gvisor
from infra.local.audit import report_audit
from infra.local.bench import report_briefly
from infra.local.config import CHECKOUT, DEFAULT_SANDBOX_IMAGE
from infra.local.console import Console
from infra.local.engine_setup import ensure_engine
from infra.local.errors import LocalError
from infra.local.image import ensure_base_image, ensure_sandbox_image
from infra.local.lanes import Lanes, run_patiently
from infra.local.supervisor import Supervisor

Check = tuple[str, tuple[str, ...]]
"""A name, and the Python module to run with its arguments."""

CHECKS: tuple[Check, ...] = (
    ("lint", ("ruff", "check", ".")),
    ("format", ("ruff", "format", "--check", ".")),
    ("types", ("pyright", "--pythonpath", sys.executable)),
)

_NOT_FOR_TESTS = (
    "BROKER_URL",
    "CODE_API_KEY",
    "CODE_API_KEYS",
    "CODE_EXECUTOR_ID",
    "CODE_HOST",
    "CODE_PORT",
    "RESULT_BACKEND_URL",
    "S3_ACCESS_KEY_ID",
    "S3_BUCKET",
    "S3_ENDPOINT_URL",
    "S3_PREFIX",
    "S3_REGION",
    "S3_SECRET_ACCESS_KEY",
)
"""A developer's shell may name a service in use; tests delete what they find."""

_TEST_PROGRAMS = {
    "curl": "curl",
    "docker-compose": "docker-compose",
    "faketime": "faketime",
    "ip": "iproute2",
    "rabbitmq-server": "rabbitmq-server",
    "systemd-analyze": "systemd",
}
"""What tests call: of the README, of infra/compose.yaml, of wrong clocks, of hosts that are cut
off, of brokers and of infra/systemd; and the package of Debian that has it."""


def check(console: Console, checks: Sequence[Check] = CHECKS) -> int:
    """Run the linters and the type checker, all of them; return 0 if all are content."""
    failed = [name for name, command in checks if not _passes(name, command, console)]
    if failed:
        console.error(f"failed: {', '.join(failed)}")
        return 1
    return 0


def run_tests(
    console: Console,
    arguments: Sequence[str],
    *,
    with_docker: bool,
    checks: Sequence[Check] = CHECKS,
) -> int:
    """Check, then test. Pytest's summary, or that of all its lanes, is the last thing printed.

    Args:
        console: Where progress is shown.
        arguments: For pytest. Paths are relative to the checkout.
        with_docker: Also run the tests that need an engine and the sandbox image, which are
            set up first.
        checks: What to check before.

    Returns:
        0 if the checks and the tests all passed, else 1 or pytest's own code.

    Raises:
        LocalError: What the tests need cannot be set up.
    """
    clients = _install("infra.local.clients") if with_docker else None
    # Nobody waits for it: the one test that needs it does, by its lock.
    checkov = None if arguments else _install("infra.local.checkov")
    lint_code = check(console, checks)
    if lint_code != 0:
        console.say("running the tests all the same; the whole counts as failed")
    work_dir = Path(tempfile.mkdtemp(prefix="code-command-test-"))
    # Silent from here on, so that pytest has the last word.
    with Supervisor(Console(quiet=True)) as supervisor:
        supervisor.at_stop(lambda: shutil.rmtree(work_dir, ignore_errors=True))
        environment = _test_environment(work_dir)
        lanes: Lanes | None = None
        if with_docker:
            _set_up_engine(supervisor, console, work_dir)
            if not arguments:
                lanes = Lanes(console, work_dir / "lanes", environment)
                supervisor.at_stop(lanes.end)
                lanes.begin()  # Beside building the image, which takes minutes.
            _set_up_image(console)
        if clients is not None:
            _await_clients(clients, console)
        if lanes is not None:
            code = _run_everything(console, environment, lanes)
        else:
            selection = () if with_docker else ("-m", "not docker")
            command = (sys.executable, "-P", "-m", "pytest", *selection, *arguments)
            code = run_patiently(command, environment)
        if checkov is not None:
            checkov.communicate()
    return code or lint_code


def _run_everything(console: Console, environment: dict[str, str], lanes: Lanes) -> int:
    report_audit(console)
    gvisor_code = _test_with_gvisor(console, environment)
    report_briefly(console)
    return lanes.run() or gvisor_code


def _test_with_gvisor(console: Console, environment: dict[str, str]) -> int:
    """Attack a service whose sandboxes gVisor makes; return pytest's exit code.

    Only where nobody but root on the engine's host could make gVisor known to the engine it is
    left out, and that is said: a developer without root can run the rest.

    Raises:
        LocalError: gVisor could be set up here, but that failed.
    """
    try:
        is_known = gvisor.knows(gvisor.RUNTIME)
    except (DockerException, OSError) as fault:
        raise LocalError(f"the Docker engine does not answer: {fault}") from fault
    if not is_known:
        reason = gvisor.obstacle()
        if reason:
            console.say(f"gVisor: NOT tried, since the engine does not know it, and {reason}")
            return 0
        gvisor.ensure(console)
    console.say("gVisor: the tests marked runsc, with SECURITY_RUNTIME=runsc")
    command = (sys.executable, "-P", "-m", "pytest", "-q", "-m", "runsc", "tests/security")
    told = {**environment, "SECURITY_RUNTIME": gvisor.RUNTIME}
    code = run_patiently(command, told)
    if code == 0:
        console.done("gVisor: passed")
    else:
        console.error(f"gVisor: FAILED (pytest ended with {code}); the whole counts as failed")
    return code


def _install(module: str) -> "subprocess.Popen[str]":
    """Begin to install what tests need: LibreChat's clients, or checkov; it takes minutes."""
    return subprocess.Popen(
        (sys.executable, "-P", "-m", module),
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _await_clients(installation: "subprocess.Popen[str]", console: Console) -> None:
    """Wait for the clients. Without them tests/e2e would fail one by one.

    Raises:
        LocalError: They cannot be installed.
    """
    console.say("waiting for LibreChat's clients from npm")
    _, complaint = installation.communicate()
    if installation.returncode != 0:
        raise LocalError(complaint.strip())
    console.done("LibreChat's clients are there")


def _set_up_engine(supervisor: Supervisor, console: Console, work_dir: Path) -> None:
    """Have an engine, and the other programs that tests call."""
    ensure_engine(supervisor, console, work_dir / "dockerd.log")
    programs = _TEST_PROGRAMS.items()
    missing = [package for program, package in programs if shutil.which(program) is None]
    if missing and apt.can_install():
        apt.install(missing, console)


def _set_up_image(console: Console) -> None:
    ensure_base_image(console.say)
    image = os.environ.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE
    ensure_sandbox_image(image, console.say)
    console.done(f"sandbox image {image} is there")


def _test_environment(work_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_TESTS}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "CODE_WORK_DIR": str(work_dir)}


def _passes(name: str, command: tuple[str, ...], console: Console) -> bool:
    console.say(f"{name}: {' '.join(command[:2])}")
    program, *arguments = command
    done = subprocess.run(
        (sys.executable, "-P", "-m", program, *arguments), cwd=CHECKOUT, check=False
    )
    return done.returncode == 0
