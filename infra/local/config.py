"""The settings of a one-machine installation, from options, environment and `.env`."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.errors import BadSettingError

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the repository is checked out; the product runs from there."""

DEFAULT_WORK_DIR = "/tmp/code_command"  # noqa: S108 - the original's; work_dir.py guards it
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8095
DEFAULT_SANDBOX_IMAGE = "code-sandbox:latest"
SANDBOX_LANGUAGES = ("all", "small")
"""What a sandbox image can be built with: every language and the tools for office documents,
or Python and bash alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What `up` and its neighbours need to know."""

    work_dir: Path
    host: str
    port: int
    sandbox_image: str
    sandbox_languages: str = "all"
    """One of `SANDBOX_LANGUAGES`."""
    environment: Mapping[str, str] = field(repr=False)
    """Everything the user has set, `.env` included: what children start from."""

    @property
    def has_own_keys(self) -> bool:
        """Whether the user names the API keys, so that none is to be made."""
        return bool(
            self.environment.get("CODE_API_KEY") or self.environment.get("CODE_API_KEYS")
        )

    @property
    def keys_file(self) -> Path:
        """Where the keys are that `keys create` makes."""
        named = self.environment.get("CODE_API_KEYS_FILE")
        return Path(named).expanduser() if named else self.work_dir / "keys.json"

    @property
    def has_own_storage(self) -> bool:
        """Whether the user names an S3 service; without an endpoint it is AWS."""
        return any(
            self.environment.get(name) for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID")
        )

    @property
    def has_own_broker(self) -> bool:
        """Whether the user names a broker."""
        return bool(self.environment.get("BROKER_URL"))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the API."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def local_address(self) -> tuple[str, int]:
        """Where this machine itself reaches the API."""
        replaced = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        return replaced.get(self.host, self.host), self.port

    @property
    def local_url(self) -> str:
        """The API's address for somebody on this machine."""
        host, port = self.local_address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load_config(
    environment: Mapping[str, str], *, host: str | None = None, port: int | None = None
) -> Config:
    """Read the settings; `host` and `port` are the options given, which win.

    Raises:
        BadSettingError: A value cannot be used; the message names the variable.
    """
    work_dir = Path(environment.get("CODE_WORK_DIR") or DEFAULT_WORK_DIR).expanduser()
    if not work_dir.is_absolute():
        raise BadSettingError(f"CODE_WORK_DIR must be an absolute path, not {str(work_dir)!r}")
    return Config(
        work_dir=work_dir,
        host=host or environment.get("CODE_HOST") or DEFAULT_HOST,
        port=port if port is not None else _port(environment.get("CODE_PORT")),
        sandbox_image=environment.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE,
        sandbox_languages=_languages(environment.get("SANDBOX_LANGUAGES")),
        environment=dict(environment),
    )


def _languages(value: str | None) -> str:
    if not value:
        return SANDBOX_LANGUAGES[0]
    if value not in SANDBOX_LANGUAGES:
        known = " or ".join(SANDBOX_LANGUAGES)
        raise BadSettingError(f"SANDBOX_LANGUAGES must be {known}, not {value!r}")
    return value


def _port(value: str | None) -> int:
    if not value:
        return DEFAULT_PORT
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 2**16:
        raise BadSettingError(f"CODE_PORT must be a number from 1 to 65535, not {value!r}")
    return int(value)
