"""`fuzz`: inputs that a fuzzer makes up, for the parsers of what clients and sandboxes send."""

import importlib.util

from infra.local.console import Console
from infra.local.errors import LocalError


def run_fuzz(console: Console, target: str | None, *, seconds: int) -> int:
    """Fuzz one target, or all; return 0 if nothing was found.

    Raises:
        LocalError: There is no such target, or no fuzzer for this kind of machine.
    """
    if importlib.util.find_spec("atheris") is None:
        raise LocalError("atheris, the fuzzer, is there for Linux on x86-64 alone")
    # Imported here: needs what is there at the level `dev` alone.
    from tests.fuzz.command import fuzz  # noqa: PLC0415 - see above

    return fuzz(console, target, seconds=seconds)
