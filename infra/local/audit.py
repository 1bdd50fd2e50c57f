"""`audit`: whether a vulnerability is known of what is locked. It reports, and fails nothing.

pip-audit asks the package index of Python; where that cannot be reached, or tells nothing of
vulnerabilities as some mirrors, it finds none and says so. So it is first asked of a version
that has one: only who knows that is believed about the rest.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.local.config import CHECKOUT
from infra.local.console import Console

LISTS = ("requirements/local.txt", "sandbox/packages/python.lock")
"""What is run on the host, and what programs find in the sandbox."""

KNOWN_TO_BE_VULNERABLE = "idna==3.6"
"""CVE-2024-3651."""

PIP_AUDIT = (sys.executable, "-I", "-m", "pip_audit")
TIMEOUT_S = 10
"""For one answer of the index."""
DEADLINE_S = 180
"""For one list. A hundred packages take about 20 s."""


class NotCheckedError(Exception):
    """Nobody can say; the message says why."""


def report_audit(console: Console, pip_audit: Sequence[str] = PIP_AUDIT) -> None:
    """Tell what is known of each list, in a line each."""
    try:
        _require_knowledge(pip_audit)
    except NotCheckedError as reason:
        console.say(f"audit: not checked: {reason}")
        return
    for name in LISTS:
        try:
            found = _described(_ask(pip_audit, CHECKOUT / name))
        except NotCheckedError as reason:
            found = f"not checked: {reason}"
        console.say(f"audit: {name}: {found}")


def _require_knowledge(pip_audit: Sequence[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(f"{KNOWN_TO_BE_VULNERABLE}\n")
        file.flush()
        (asked,) = _ask(pip_audit, Path(file.name))
    if not asked.get("vulns"):
        said = asked.get("skip_reason", "no vulnerability is told of it")
        raise NotCheckedError(
            f"the package index does not tell of vulnerabilities "
            f"(of {KNOWN_TO_BE_VULNERABLE}, which has one: {said})"
        )


def _ask(pip_audit: Sequence[str], requirements: Path) -> list[dict[str, Any]]:
    """Return what pip-audit says of each package.

    Raises:
        NotCheckedError: It could not be asked, or did not get an answer.
    """
    command = (
        *pip_audit,
        *("--requirement", str(requirements), "--no-deps", "--disable-pip"),
        *("--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_S)),
    )
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotCheckedError(f"there was no answer within {DEADLINE_S} s") from None
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotCheckedError(f"pip-audit failed: {last[:200]}") from None


def _described(packages: list[dict[str, Any]]) -> str:
    unknown = sum("skip_reason" in package for package in packages)
    checked = len(packages) - unknown
    found = [_vulnerability(package) for package in packages if package.get("vulns")]
    told = "; ".join(found) if found else "no known vulnerability"
    return f"{checked} packages, {told}" + (f" ({unknown} not checked)" if unknown else "")


def _vulnerability(package: dict[str, Any]) -> str:
    ids = ", ".join(_worded(one) for one in package["vulns"])
    return f"{package['name']} {package['version']}: {ids}"


def _worded(vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"])
    return f"{vulnerability['id']} ({f'fixed in {fixed}' if fixed else 'no fix yet'})"
