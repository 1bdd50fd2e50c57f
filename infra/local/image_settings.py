"""Which registry settings the building machine has, as far as a build can use them.

A company's package mirror, proxy or certificate authority is configured once on a machine,
for pip and for apt. The sandbox image's build must use the same. Anything that names a file
or folder of this machine is left out: it does not exist inside the build.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

QUESTION_DEADLINE_S = 30.0

_PIP_OPTIONS = frozenset(
    {
        "index-url",
        "extra-index-url",
        "trusted-host",
        "proxy",
        "timeout",
        "default-timeout",
        "retries",
    }
)
"""Everything else (constraints, find-links, certificates, caches, …) is about this machine."""
_PIP_LISTS = frozenset({"extra-index-url", "trusted-host"})
_PIP_ADDRESSES = frozenset({"index-url", "extra-index-url", "proxy"})

_APT_OPTION = re.compile(
    r"Acquire::(?:(?:http|https)(?:::(?:Proxy|Timeout|Verify-Peer|Verify-Host|No-Cache))"
    r"|Retries|Check-Valid-Until|Check-Date)(?:::[\w.-]+)?$"
)

_CERTIFICATE_VARIABLES = (
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_CERTIFICATE_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)

_DEBIAN_SUITE = re.compile(
    r"(bullseye|bookworm|trixie|forky|oldstable|stable|testing|sid|unstable)"
    r"(-(?P<kind>updates|security|backports))?$"
)
_DEB822_FIELD = r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)"


def read_pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this machine's pip settings, with the option's name alone as the key.

    As `pip config list` tells them. Our own interpreter may have no pip, so the one on PATH
    is asked too; where there is none at all, pip's variables still count.
    """
    for pip in ((sys.executable, "-m", "pip"), ("pip3",), ("pip",)):
        listing = _output_of(*pip, "config", "list")
        if listing is not None:
            return parse_pip_settings(listing)
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environment.items()
        if name.startswith("PIP_")
    }


def _output_of(*argv: str) -> str | None:
    """Return what a command printed; None if there is no such command, or it failed."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=QUESTION_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def parse_pip_settings(listing: str) -> dict[str, str]:
    """Turn the lines of `pip config list` (`global.index-url='…'`) into options.

    pip prints its environment before its files, though the environment has the last word.
    """
    from_files: dict[str, str] = {}
    from_environment: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in {"global", "install", ":env:"}:
            target = from_environment if section == ":env:" else from_files
            try:
                target[option] = str(ast.literal_eval(quoted))
            except (SyntaxError, ValueError):
                continue  # No line of a setting; pip warns on the same stream at times.
    return from_files | from_environment


def pip_configuration(settings: Mapping[str, str]) -> str:
    """Return a pip.conf with what a build can use, or an empty text."""
    lines: list[str] = []
    for option in sorted(_PIP_OPTIONS & settings.keys()):
        words = settings[option].split() if option in _PIP_LISTS else [settings[option].strip()]
        if option in _PIP_ADDRESSES:
            words = [word for word in words if _is_reachable(word)]
        if words and all(words):
            name = option.removeprefix("default-")
            lines.append(f"{name} = " + "\n    ".join(words))
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def _is_reachable(address: str) -> bool:
    """Whether an address means something inside a build: not a file or folder of here."""
    return urlsplit(address).scheme in {"http", "https", "socks5", "socks5h"}


def apt_configuration(dump: str) -> str:
    """Return the lines of `apt-config dump` that a build can use, or an empty text."""
    kept: list[str] = []
    for line in dump.splitlines():
        option, _, value = line.partition(" ")
        if _APT_OPTION.match(option) and value not in {'"";', ""}:
            kept.append(f"{line}\n")
    return "".join(kept)


def debian_mirrors(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the addresses of the mirrors that apt sources name, at most one of each kind.

    Args:
        files: Name and text of each file, `*.list` (one line) or `*.sources` (deb822).

    Returns:
        `archive` and `security`: fixes may have a mirror of their own. Empty where the machine
        is no Debian, or takes its packages from a disk.
    """
    mirrors: dict[str, str] = {}
    for name, text in files:
        found = _deb822(text) if name.endswith(".sources") else _one_line(text)
        for address, suite in found:
            known = _DEBIAN_SUITE.match(suite)
            if known and _is_reachable(address):
                kind = "security" if known["kind"] == "security" else "archive"
                mirrors.setdefault(kind, address)
    return mirrors


def apt_sources(mirrors: Mapping[str, str], *, release: str) -> str:
    """Return a `sources.list` for `release` from these mirrors.

    Empty without a mirror: the base image's own sources serve then.
    """
    if "archive" not in mirrors:
        return ""
    lines = [f"deb {mirrors['archive']} {release}{end} main\n" for end in ("", "-updates")]
    if "security" in mirrors:
        lines.append(f"deb {mirrors['security']} {release}-security main\n")
    return "".join(lines)


def read_apt_sources() -> list[tuple[str, str]]:
    """Return name and text of this machine's apt sources; none where it has no apt."""
    folder = Path("/etc/apt")
    parts = folder / "sources.list.d"
    files = [folder / "sources.list", *sorted(parts.glob("*.list"))]
    files += sorted(parts.glob("*.sources"))
    return [(str(file), file.read_text("utf-8", "replace")) for file in files if file.is_file()]


def read_apt_configuration() -> str:
    """Return what `apt-config dump` says; nothing where there is no apt."""
    return _output_of("apt-config", "dump") or ""


def _one_line(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line.strip())
        if found:
            yield found[1], found[2]


def _deb822(text: str) -> Iterable[tuple[str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            name.lower(): value.split()
            for name, value in re.findall(_DEB822_FIELD, stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for address in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield address, suite


def certificates(
    environment: Mapping[str, str],
    settings: Mapping[str, str],
    defaults: Iterable[str] = _CERTIFICATE_FILES,
) -> Path | None:
    """Return the file of certificate authorities that programs of this machine trust."""
    named = [environment.get(variable, "") for variable in _CERTIFICATE_VARIABLES]
    for name in (*named, settings.get("cert", ""), *defaults):
        if name and Path(name).is_file():
            return Path(name)
    return None
