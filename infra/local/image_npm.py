"""Which npm settings the building machine has, as far as a build can use them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_GLOBAL_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc")
"""Where distributions and Node's own packages have npm's global configuration."""

_SETTING = re.compile(r"\s*(?P<name>[^\s=;#][^=]*?)\s*=\s*(?P<value>.*?)\s*$")
_USABLE = re.compile(
    r"(?:registry|@[\w.-]+:registry|proxy|https-proxy|noproxy|strict-ssl"
    r"|//[^\s:]+(?::\d+)?/?[^\s:]*:(?:_authToken|_auth|username|_password))$"
)
"""Everything else (caches, prefixes, certificates, ...) is about the machine itself."""

_VARIABLE = "npm_config_"


def npm_settings_files(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Return the configuration files that npm would read, the one that wins last."""
    named = environment.get("NPM_CONFIG_USERCONFIG") or environment.get("npm_config_userconfig")
    return [*map(Path, _GLOBAL_FILES), Path(named) if named else home / ".npmrc"]


def read_npm_settings(files: Iterable[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """Return this machine's npm settings; an environment variable wins over every file.

    Values may name variables, as `${TOKEN}`: they are filled in, for the build has not got
    them.
    """
    settings: dict[str, str] = {}
    for file in files:
        if file.is_file():
            for line in file.read_text("utf-8", "replace").splitlines():
                found = _SETTING.match(line)
                if found:
                    settings[found["name"]] = _filled_in(found["value"], environment)
    for name, value in environment.items():
        if name.lower().startswith(_VARIABLE) and value:
            settings[name.lower().removeprefix(_VARIABLE).replace("_", "-")] = value
    return settings


def npm_configuration(settings: Mapping[str, str]) -> str:
    """Return an npmrc with what a build can use, or an empty text."""
    return "".join(
        f"{name}={value}\n"
        for name, value in sorted(settings.items())
        if _USABLE.match(name) and value and value != "null"
    )


def _filled_in(value: str, environment: Mapping[str, str]) -> str:
    plain = value.strip("\"'")
    return re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found[1], ""), plain)
