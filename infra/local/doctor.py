"""`doctor`: what isolation this host gives, what would raise it, and what else is wrong."""

import dataclasses
import json
import shutil
import sys
import textwrap
from typing import Any

from infra.local.config import Config
from infra.local.console import Console
from infra.local.doctor_checks import Check, State, examine
from infra.local.doctor_facts import Facts, look_around
from infra.local.doctor_grade import Grade, grade, steps
from infra.local.doctor_installation import examine_installation

MEANINGS = {
    Grade.A: "another kernel than the host's is between programs and the host",
    Grade.B: "the host's kernel is shared, but a sandbox's root is nobody on the host",
    Grade.C: "the host's kernel is shared, behind the barriers of every container",
    Grade.D: "a barrier that is counted on is missing",
}
_MOST_COLUMNS = 100
_NAME_COLUMNS = 13
_STATE_COLUMNS = 9


def doctor(config: Config, console: Console, *, as_json: bool) -> int:
    """Look around, print what was found, and return 0 unless something is bad.

    Args:
        config: Whose settings are judged.
        console: Where people read.
        as_json: Print one JSON object on standard output instead.
    """
    facts = look_around(config)
    checks = examine(facts)
    installation = examine_installation(config)
    if as_json:
        told = as_data(facts, checks, installation)
        json.dump(told, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print(facts, checks, console)
        console.plain("\nThe installation:")
        _print_checks(installation, console)
    return int(any(check.state is State.BAD for check in (*checks, *installation)))


def as_data(
    facts: Facts, checks: tuple[Check, ...], installation: tuple[Check, ...]
) -> dict[str, Any]:
    """Return everything for machines. Names stay; more may be added."""
    return {
        "grade": grade(facts, checks),
        "checks": [dataclasses.asdict(check) for check in checks],
        "to_raise": list(steps(facts, checks)),
        "installation": [dataclasses.asdict(check) for check in installation],
        "known_escapes": [
            {
                "cve": finding.escape.cve,
                "part": finding.part.name,
                "version": finding.part.version,
                "build": finding.part.build,
                "fixed_in": list(finding.escape.fixed_in),
                "mended_by_distribution": finding.mended.value,
                "concerns_sandboxes": not finding.escape.needs,
                "open": finding.is_open,
            }
            for finding in facts.findings
        ],
    }


def _print(facts: Facts, checks: tuple[Check, ...], console: Console) -> None:
    reached = grade(facts, checks)
    if reached is None:
        console.plain("Isolation of this host: no grade, since no engine answers\n")
    else:
        console.plain(f"Isolation of this host: grade {reached}, {MEANINGS[reached]}")
        console.plain("(A is best, D worst; docs/production-host.md defines them)\n")
    _print_checks(checks, console)
    ahead = steps(facts, checks)
    if ahead:
        console.plain("\nWhat would raise it:")
    for step in dict.fromkeys(ahead):
        console.plain(_wrapped(step, first="  - ", rest="    "))


def _print_checks(checks: tuple[Check, ...], console: Console) -> None:
    name = ""
    for check in checks:
        for line in _lines(check, "" if check.name == name else check.name):
            console.plain(line)
        name = check.name


def _lines(check: Check, name: str) -> list[str]:
    shown = check.state.value.upper() if check.state is State.BAD else check.state.value
    margin = " " * (_STATE_COLUMNS + _NAME_COLUMNS + 2)
    head = f"  {shown:<{_STATE_COLUMNS}}{name:<{_NAME_COLUMNS}}"
    found = [_wrapped(check.text, first=head, rest=margin)]
    if check.advice and check.state is not State.OK:
        found.append(_wrapped(check.advice, first=f"{margin}-> ", rest=f"{margin}   "))
    return found


def _wrapped(text: str, *, first: str, rest: str) -> str:
    width = min(shutil.get_terminal_size((_MOST_COLUMNS, 24)).columns, _MOST_COLUMNS)
    return textwrap.fill(
        text,
        width=width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
