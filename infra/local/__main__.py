"""The command line behind `./code-command`.

This module and what it imports at its head need the standard library only: they run before
there is a virtual environment, to make it.
"""

import argparse
import difflib
import errno
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from infra.local.bench_options import add_options, read_options
from infra.local.config import CHECKOUT, load_config
from infra.local.console import Console, started_at
from infra.local.dotenv import read_dotenv
from infra.local.errors import LocalError
from infra.local.own_python import Level, OwnPython

INTERRUPTED = 130

_EPILOG = """\
Settings are read from the environment and from .env in the checkout (KEY=VALUE a line); the
environment wins. README.md lists them.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser()
    if given and not given[0].startswith("-") and given[0] not in commands:
        parser.error(_no_such_command(given[0], commands))
    options, rest = parser.parse_known_args(given)
    if rest and options.command not in {"test", "keys"}:
        options.refuse(f"unrecognized arguments: {' '.join(rest)}")
    if options.command in {None, "help"}:
        parser.print_help()
        return 0
    # What `doctor --json` prints is for a machine: nothing else may be in it.
    stream = sys.stderr if getattr(options, "json", False) else None
    console = Console(stream, started_at=started_at())
    try:
        return _run(options, rest, given, console)
    except LocalError as fault:
        console.error(str(fault))
        return 1
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            raise
        where = f" ({fault.filename})" if fault.filename else ""
        console.error(
            f"nothing can be written{where}: {fault.strerror}. Make room, or set another"
            " CODE_WORK_DIR; `df -h` shows which disk is full"
        )
        return 1
    except KeyboardInterrupt:
        console.plain()
        return INTERRUPTED


def _run(  # noqa: C901, PLR0911, PLR0912 - a command each
    options: argparse.Namespace, rest: list[str], given: list[str], console: Console
) -> int:
    """Make sure of what the command needs, and carry it out.

    Commands are imported here: they need packages that `enter` installs first.
    """
    level: Level | None = options.level
    if level is not None:
        OwnPython().enter(level, given, console)
    if options.reads_settings:
        for name, value in read_dotenv(CHECKOUT / ".env").items():
            os.environ.setdefault(name, value)
    match options.command:
        case "up":
            from infra.local.up import up  # noqa: PLC0415 - see above

            return up(load_config(os.environ, host=options.host, port=options.port), console)
        case "doctor":
            from infra.local.doctor import doctor  # noqa: PLC0415 - see above

            return doctor(load_config(os.environ), console, as_json=options.json)
        case "test":
            from infra.local.checks import run_tests  # noqa: PLC0415 - see above

            return run_tests(console, rest, with_docker=not options.without_docker)
        case "bench":
            from infra.local.bench import run_bench  # noqa: PLC0415 - see above

            return run_bench(read_options(options), console)
        case "check":
            from infra.local.checks import check  # noqa: PLC0415 - see above

            return check(console)
        case "build":
            from infra.local.build import build  # noqa: PLC0415 - see above

            return build(
                load_config(os.environ),
                console,
                rebuild=options.rebuild,
                service=options.service,
            )
        case "bundle":
            from infra.local.bundle import bundle  # noqa: PLC0415 - see above

            return bundle(load_config(os.environ), console, output=options.output)
        case "audit":
            from infra.local.audit import report_audit  # noqa: PLC0415 - see above

            report_audit(console)
            return 0
        case "sbom":
            from infra.local.build import sbom  # noqa: PLC0415 - see above

            return sbom(load_config(os.environ), console)
        case "fuzz":
            from infra.local.fuzz import run_fuzz  # noqa: PLC0415 - see above

            return run_fuzz(console, options.target, seconds=options.seconds)
        case "init":
            from infra.local.compose_env import init  # noqa: PLC0415 - see above

            return init(console)
        case "status":
            from infra.local.status import status  # noqa: PLC0415 - see above

            return status(load_config(os.environ), as_json=options.json)
        case "keys":
            from api.manage_keys import main as manage_keys  # noqa: PLC0415 - see above

            return manage_keys(rest, load_config(os.environ).keys_file)
        case process:
            return _become(process)


def _become(process: str) -> NoReturn:
    """Turn into `api` or `executor`, so that whoever started us sees that process alone."""
    os.chdir(CHECKOUT)
    command = (sys.executable, "-P", "-m", process)
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter


def _no_such_command(name: str, commands: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name, commands, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "`code-command help` lists them"
    return f"there is no command {name!r}; {hint}"


def _parser() -> tuple[argparse.ArgumentParser, Collection[str]]:
    """Return the parser, and the names of the commands."""
    parser = argparse.ArgumentParser(
        prog="code-command",
        description="A self-hosted, sandboxed code interpreter for AI agents.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.set_defaults(level=None, reads_settings=False, refuse=parser.error)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(
        name: str,
        level: Level | None,
        text: str,
        *,
        reads_settings: bool = True,
        add_help: bool = True,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False, add_help=add_help
        )
        # A wrong option is answered with the usage of its own command.
        command.set_defaults(level=level, reads_settings=reads_settings, refuse=command.error)
        return command

    up = add("up", "local", "start everything on this machine; Ctrl-C stops it")
    up.add_argument("--host", help="address to listen on (CODE_HOST, else 127.0.0.1)")
    up.add_argument("--port", type=_port, help="port to listen on (CODE_PORT, else 8095)")
    doctor = add("doctor", "base", "say how well this host keeps programs in, and what to do")
    doctor.add_argument("--json", action="store_true", help="for machines, on standard output")
    status = add("status", "base", "show hosts, pools and queues; live on a terminal")
    status.add_argument("--json", action="store_true", help="once, for machines")
    test = add(
        "test",
        "dev",
        "check and test everything; further arguments go to pytest",
        reads_settings=False,
    )
    test.usage = "code-command test [-h] [--without-docker] [ARGUMENT OF PYTEST ...]"
    test.add_argument(
        "--without-docker", action="store_true", help="leave out what needs a Docker engine"
    )
    add("check", "dev", "lint and type-check", reads_settings=False)
    add_options(
        add("bench", "dev", "measure how fast it is on this machine", reads_settings=False)
    )
    fuzz = add("fuzz", "dev", "try inputs that nobody would think of", reads_settings=False)
    fuzz.add_argument("target", nargs="?", help="what to try; a wrong name lists all")
    fuzz.add_argument("--seconds", type=_seconds, default=60, help="how long each takes (60)")
    add("audit", "dev", "say what is known to be vulnerable", reads_settings=False)
    add("sbom", "local", "list what the sandbox image holds, as CycloneDX")
    build = add("build", "local", "build the sandbox image, where it is not up to date")
    build.add_argument("--rebuild", action="store_true", help="build it even if it is")
    build.add_argument(
        "--service", action="store_true", help="also build the service image for compose"
    )
    into = add("bundle", "local", "write all into one file, for a site without a network")
    into.add_argument("--output", type=Path, help="the file (code-command-VERSION.tar, here)")
    add("init", None, "make the secrets that infra/compose.yaml needs", reads_settings=False)
    # `-h` too is for the parser of `api.manage_keys`, which knows the options.
    add("keys", "local", "create, list and revoke API keys", add_help=False)
    add("api", "base", "start the API alone, with the environment's settings")
    add("executor", "base", "start one executor alone, with the environment's settings")
    add("help", None, "show this", reads_settings=False)
    return parser, commands.choices


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
