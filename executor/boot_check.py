"""Whether what makes the sandboxes has holes that everybody knows: told, or refused."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from executor.known_escapes import Escape, Part, known_escapes
from executor.package_changelog import (
    PACKAGES,
    changelog,
    is_distributions,
    reaches_back_to,
)
from executor.sandbox import SandboxEngine, SandboxUnavailableError

RETRY_S = 5.0

_log = logging.getLogger(__name__)


class KnownEscapeError(Exception):
    """`SANDBOX_STRICT` is set, and this host is not known to be free of holes. One line."""


class Mended(StrEnum):
    """Whether somebody has put the fix into a version that is older than it."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"
    """By a distribution, whose changelog cannot be read from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One hole that a part of this host has by its version."""

    part: Part
    escape: Escape
    mended: Mended

    @property
    def is_open(self) -> bool:
        """Whether it may concern sandboxes, as far as is known."""
        return self.mended is not Mended.YES and not self.escape.needs


def find(
    parts: Iterable[Part], read_changelog: Callable[[Part], str | None] = changelog
) -> tuple[Finding, ...]:
    """Return every known hole of the parts, and whether a distribution has mended it."""
    found: list[Finding] = []
    for part in parts:
        escapes = known_escapes(part)
        is_theirs = bool(escapes) and is_distributions(part)
        text = read_changelog(part) if is_theirs else None
        found += [
            Finding(part=part, escape=escape, mended=_mended(escape, text, is_theirs=is_theirs))
            for escape in escapes
        ]
    return tuple(found)


def _mended(escape: Escape, text: str | None, *, is_theirs: bool) -> Mended:
    if not is_theirs:
        return Mended.NO
    if text is not None and escape.cve in text:
        return Mended.YES
    # Nobody mends a hole before the year in which it gets its number.
    year = int(escape.cve.split("-")[1])
    is_told = text is not None and reaches_back_to(text, year)
    return Mended.NO if is_told else Mended.UNKNOWN


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Tell findings for people: one line for those that need the same thing done."""
    for _, group in itertools.groupby(findings, alike):
        together = list(group)
        first = together[0]
        names = ", ".join(finding.escape.cve for finding in together)
        what = f"{_called(first.part)}: {names} ({first.escape.what})"
        yield f"{what}, {_what_to_do(first, count=len(together))}"


def alike(finding: Finding) -> tuple[object, ...]:
    """Return what findings have in common that make one line."""
    escape = finding.escape
    return finding.part, finding.mended, escape.fixed_in, escape.what, escape.needs


def _called(part: Part) -> str:
    is_package = part.build and is_distributions(Part(name="", version=part.build))
    return f"{part.name} {part.build if is_package else part.version}"


def _what_to_do(finding: Finding, *, count: int) -> str:
    escape = finding.escape
    them = "it" if count == 1 else "them"
    fixed = f"fixed upstream in {_listed(escape.fixed_in)}"
    if finding.mended is Mended.YES:
        return f"{fixed}; the changelog of this host's package names {them} as mended"
    if finding.mended is Mended.UNKNOWN:
        advice = (
            f"your distribution may have mended {them}, but its changelog cannot be read here:"
            f" see `apt-get changelog {_package(finding)}` or `rpm -q --changelog`"
        )
    elif is_distributions(finding.part):
        advice = f"the changelog of this host's package does not name {them}: update it"
    else:
        advice = "update it"
    if escape.needs:
        return f"{fixed}; {advice} (not for sandboxes' sake: it needs {escape.needs})"
    return f"{fixed}; {advice}"


def _package(finding: Finding) -> str:
    return PACKAGES.get(finding.part.name, finding.part.name)


def _listed(items: Iterable[str]) -> str:
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def refusal(findings: Iterable[Finding]) -> str:
    """Return why `SANDBOX_STRICT` refuses such a host, in one line; empty if it does not."""
    told = "; ".join(lines(finding for finding in findings if finding.is_open))
    return f"SANDBOX_STRICT refuses a host with known escapes: {told}" if told else ""


async def refuse(engine: SandboxEngine) -> None:
    """Let a host pass only if no hole is known that may concern sandboxes.

    Raises:
        KnownEscapeError: There is one, or the engine does not answer the question.
    """
    try:
        parts = await engine.parts()
    except SandboxUnavailableError as fault:
        raise KnownEscapeError(
            f"SANDBOX_STRICT: versions cannot be checked for known escapes: {fault}"
        ) from fault
    problem = refusal(await asyncio.to_thread(find, parts))
    if problem:
        raise KnownEscapeError(problem)


async def tell(engine: SandboxEngine) -> None:
    """Write to the log which holes are known, once the engine can be asked."""
    while True:
        try:
            parts = await engine.parts()
            break
        except SandboxUnavailableError:  # The sign of life tells of it.
            await asyncio.sleep(RETRY_S)
    findings = await asyncio.to_thread(find, parts)
    _log.info("sandboxes are made by %s", ", ".join(map(_called, parts)))
    for line in lines(finding for finding in findings if finding.is_open):
        _log.warning("known escape: %s", line)
    for line in lines(finding for finding in findings if not finding.is_open):
        _log.info("known, but no way out of a sandbox here: %s", line)
