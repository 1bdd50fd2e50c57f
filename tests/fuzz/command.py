"""`./code-command fuzz`: tries inputs that nobody would think of, for as long as is asked."""

import secrets
import tempfile
from pathlib import Path

from infra.local.console import Console
from infra.local.errors import BadSettingError
from tests.fuzz.running import CORPUS, fuzz_target
from tests.fuzz.targets import TARGETS


def fuzz(console: Console, target: str | None, *, seconds: int) -> int:
    """Fuzz one target or all, one after the other; return 1 if anything was found.

    Args:
        console: Where it is told what came of each.
        target: One of `TARGETS`; None: all.
        seconds: How long each.

    Raises:
        BadSettingError: There is no such target.
    """
    if target is not None and target not in TARGETS:
        raise BadSettingError(f"there is no target {target}: {', '.join(TARGETS)}")
    findings = Path(tempfile.mkdtemp(prefix="code-command-fuzz-findings-"))
    # Another way every time: what the suite tries is always the same.
    seed = secrets.randbelow(2**31)
    has_failed = False
    for name in [target] if target else TARGETS:
        console.say(f"{name}: {seconds} s (seed {seed})")
        fuzzed = fuzz_target(name, seconds=seconds, seed=seed, findings=findings)
        if fuzzed.finding is None:
            console.done(f"{name}: {fuzzed.inputs} inputs, none fails")
            continue
        has_failed = True
        console.plain(fuzzed.said)
        console.error(
            f"{name}: an input fails, after {fuzzed.inputs}. Keep it for the tests:\n"
            f"  cp {fuzzed.finding} {CORPUS / name}/WHAT-IT-IS"
        )
    if not has_failed:
        findings.rmdir()
    return 1 if has_failed else 0
