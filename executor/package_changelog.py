"""What the distribution's own package says it has mended, on the host of the sandboxes.

Distributions put the fix into the version they have: Debian's runc `1.1.5+ds1-1+deb12u1` is
1.1.5 with what 1.1.12 mended. Only the package's changelog says so.
"""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

from executor.known_escapes import Part

DOCUMENTATION = Path("/usr/share/doc")

PACKAGES = {"docker": "docker.io"}
"""Of Debian and Ubuntu, where a package is not called as its program."""

_TIMEOUT_S = 10
_DISTRIBUTIONS = re.compile(
    r"[+~](?:ds|dfsg)|ubuntu|[-+~.]deb\d|\.(?:el|fc|amzn|azl|cm)\d|suse|alpine", re.IGNORECASE
)

_ENTRY_YEARS = re.compile(r"^ -- .*> +\w{3}, \d{1,2} \w{3} (\d{4})", re.MULTILINE)
_CUT_OFF = "Older entries have been removed from this changelog"


def is_distributions(part: Part) -> bool:
    """Say whether a distribution built it, who may have mended it without a new version."""
    return _DISTRIBUTIONS.search(f"{part.version} {part.build}") is not None


def reaches_back_to(text: str, year: int) -> bool:
    """Say whether a changelog still has what was mended in `year` and later.

    Debian cuts the older entries off, and says so at the end.
    """
    years = [int(found) for found in _ENTRY_YEARS.findall(text)]
    return _CUT_OFF not in text or (bool(years) and min(years) < year)


def changelog(part: Part, documentation: Path = DOCUMENTATION) -> str | None:
    """Return the changelog of the very package that `part` is from.

    `None` where it cannot be had: no dpkg, an engine on another host or seen from inside a
    container, another version than is installed here, documentation left out.
    """
    package = PACKAGES.get(part.name, part.name)
    installed = _installed_version(package)
    told = [text for text in (part.build, part.version) if text]
    if not any(installed.startswith(text) for text in told):
        return None
    try:
        with gzip.open(documentation / package / "changelog.Debian.gz", "rt") as file:
            return file.read()
    except (OSError, EOFError, UnicodeDecodeError):
        return None


def _installed_version(package: str) -> str:
    """Return the version of a package without its epoch; empty if it is not there."""
    program = shutil.which("dpkg-query")
    if program is None:
        return ""
    try:
        asked = subprocess.run(  # noqa: S603 - the name is one of ours
            (program, "--show", "--showformat=${Version}", package),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.rpartition(":")[2] if asked.returncode == 0 else ""
