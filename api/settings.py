"""What the API is told by its environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from api.environment_keys import ApiKey, read_keys
from api.local_mode import is_loopback
from api.rates import Rate, parse_rate
from api.token_keys import load_token_keys
from api.token_settings import TokenSettings
from api.turns import QueueLimits
from executor.redis_connection import require_places
from telemetry.logs import LogFormat, LogLevel

WELL_KNOWN_KEY = "code-command-dev-key"
"""The default of the original product. Everybody knows it, so it opens nothing but
loopback."""

MIN_KEY_CHARS = 16
"""Shorter keys can be guessed over the network: 16 characters of hexadecimal digits are
64 bits."""

ServedProfiles = Literal["default", "stateful", "both"]
"""Which execution profiles a server is (librechat-contract 2.0)."""

MetricsAccess = Literal["off", "key", "open"]
"""Whether there is `/metrics`, and whether it is for everybody who can reach the API."""

DEFAULT_TENANT = "default"
"""Whose key `CODE_API_KEY` is."""

_KEY = re.compile(r"[!-+\--~]+")
"""Printable ASCII without the comma, which separates keys. Headers carry nothing more
reliably."""


class ApiSettings(TokenSettings):
    """Every variable that the API reads; upper case in the environment."""

    code_host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on."""
    code_port: int = Field(8095, ge=0, le=65_535)
    """Port to listen on; 0 takes any free one."""
    code_api_key: SecretStr | None = None
    """The key of the tenant `default`."""
    code_api_keys: SecretStr | None = None
    """More keys, in one of the forms of `api.environment_keys`. A tenant may have several."""
    code_api_keys_file: Path | None = None
    """Keys that `./code-command keys` has made; read again when it changes."""
    local_mode: bool = False
    """Whether everybody on this machine is let in without credentials."""
    cors_origins: str = "localhost:3080,3000"
    """Web pages that may call the API from a browser; see `allowed_origins`."""

    execution_profile: ServedProfiles = "default"
    """Whether workspaces are kept for runs that name one: `stateful`, `default` (never), or
    `both`, for requests that do not expect `default`."""
    state_strict: bool = False
    """Whether a stateful run without a `runtime_session_hint` is refused."""
    code_exec_timeout: float = Field(120, gt=0, le=3600)
    """Longest run of a program, seconds. The executors hold it; the API waits for it."""
    queue_timeout: float = Field(60, gt=0, le=3600)
    """Longest wait of a run for its turn, seconds, on top of `code_exec_timeout`."""
    queue_limit: int = Field(1000, ge=1, le=100_000)
    """How many runs may wait for their turn in one API process."""
    queue_limit_per_tenant: int = Field(200, ge=1, le=100_000)
    """Of those, how many of one tenant's."""

    rate_limit_exec: str = "20/30s"
    """How many runs a user may ask for in what time, or `off` (`api.rates.parse_rate`)."""
    rate_limit_upload: str = "30/5m"
    """Likewise, uploads; a batch is one."""
    rate_limit_download: str = "60/1m"
    """Likewise, downloads, and questions about them."""
    rate_limit_list: str = "120/1m"
    """Likewise, listings of a session and questions about a stored file."""

    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    result_backend_url: SecretStr | None = None
    """Redis or Valkey; `broker_url` where that is one."""
    server_timing: bool = False
    """Whether the answers to runs say what their steps took (`api.server_timing`)."""
    metrics: MetricsAccess = "off"
    """Who may read `/metrics`: nobody, those who have a key, or everybody."""
    audit_log_dir: Path | None = None
    """Folder of the audit log (`api.audit`), which is for nobody else; unset: there is none."""
    otel_exporter_otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://\S+$", examples=["http://collector:4318"]
    )
    """Where traces go, as OTLP over HTTP; the name is OpenTelemetry's own."""
    log_format: LogFormat = "auto"
    """JSON or text; `auto`: text on a terminal."""
    log_level: LogLevel = "INFO"

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, value: str) -> str:
        for part in _parts(value):
            if not re.fullmatch(r"\*|(https?://)?[A-Za-z0-9.*:\[\]-]+", part):
                raise ValueError(f"{part!r} is neither a port, a host nor an origin")
        return value

    @field_validator(
        "rate_limit_exec", "rate_limit_upload", "rate_limit_download", "rate_limit_list"
    )
    @classmethod
    def _rates_are_rates(cls, value: str) -> str:
        parse_rate(value)
        return value

    @model_validator(mode="after")
    def _keys_are_safe(self) -> Self:
        keys = self.api_keys
        if not (keys or self.code_api_keys_file or self.tokens_are_wanted or self.local_mode):
            raise ValueError(
                "CODE_API_KEY: is not set. Nobody could call the API: set it to a random"
                f" text of {MIN_KEY_CHARS} characters or more, such as the output of"
                " `openssl rand -hex 24`"
            )
        _refuse_shared_keys(keys)
        for key in keys:
            self._refuse_weak_key(key)
        return self

    @model_validator(mode="after")
    def _tokens_can_be_verified(self) -> Self:
        if self.tokens_are_wanted and not load_token_keys(self):
            raise ValueError(
                "CODEAPI_JWT_PUBLIC_KEYS_DIR: no key to verify tokens with is found, there or"
                " in the other CODEAPI_JWT_* variables"
            )
        return self

    @model_validator(mode="after")
    def _local_mode_is_local(self) -> Self:
        if self.local_mode and not is_loopback(self.code_host):
            raise ValueError(
                "LOCAL_MODE: lets everybody in, so CODE_HOST must be a loopback address such"
                f" as 127.0.0.1, and is {self.code_host!r}"
            )
        return self

    @model_validator(mode="after")
    def _results_have_a_place(self) -> Self:
        require_places(self.broker_url.get_secret_value(), self.result_url)
        return self

    @property
    def api_keys(self) -> tuple[ApiKey, ...]:
        """Every key that opens the API.

        Raises:
            ValueError: `CODE_API_KEYS` cannot be read. Once the settings exist, it can.
        """
        more = read_keys(self.code_api_keys.get_secret_value() if self.code_api_keys else "")
        if self.code_api_key is not None and self.code_api_key.get_secret_value():
            return (ApiKey(DEFAULT_TENANT, self.code_api_key), *more)
        return more

    @property
    def allowed_origins(self) -> list[str]:
        """`cors_origins` as browsers send them.

        A bare port means that port on localhost, and a host without a scheme both schemes.
        """
        origins: list[str] = []
        for part in _parts(self.cors_origins):
            host = f"localhost:{part}" if part.isdecimal() else part
            if host == "*" or "://" in host:
                origins.append(host)
            else:
                origins += [f"http://{host}", f"https://{host}"]
        return origins

    @property
    def rates(self) -> Mapping[str, Rate | None]:
        """The rate of each of `api.rates.BUCKETS`; `None` is no limit."""
        return {
            "exec": parse_rate(self.rate_limit_exec),
            "upload": parse_rate(self.rate_limit_upload),
            "download": parse_rate(self.rate_limit_download),
            "list": parse_rate(self.rate_limit_list),
        }

    @property
    def queue_limits(self) -> QueueLimits:
        """How many may wait for their turn, and how long."""
        return QueueLimits(
            runs=self.queue_limit,
            runs_per_tenant=self.queue_limit_per_tenant,
            wait_s=self.queue_timeout,
        )

    @property
    def result_url(self) -> str:
        """Where results and heartbeats are."""
        return (self.result_backend_url or self.broker_url).get_secret_value()

    @property
    def run_timeout_s(self) -> float:
        """Longest time between a run's request and its answer."""
        return self.queue_timeout + self.code_exec_timeout

    def _refuse_weak_key(self, key: ApiKey) -> None:
        secret = key.secret.get_secret_value()
        variable = "CODE_API_KEY" if key.secret is self.code_api_key else "CODE_API_KEYS"
        if not _KEY.fullmatch(secret):
            raise ValueError(f"{variable}: keys are printable ASCII without spaces and commas")
        if secret == WELL_KNOWN_KEY:
            if not is_loopback(self.code_host):
                raise ValueError(
                    f"{variable}: the well-known key {WELL_KNOWN_KEY!r} is accepted on"
                    f" loopback only, and CODE_HOST is {self.code_host!r}. Set a key of your"
                    " own, such as the output of `openssl rand -hex 24`"
                )
        elif len(secret) < MIN_KEY_CHARS:
            raise ValueError(f"{variable}: a key needs at least {MIN_KEY_CHARS} characters")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _refuse_shared_keys(keys: tuple[ApiKey, ...]) -> None:
    known: dict[str, ApiKey] = {}
    for key in keys:
        first = known.setdefault(key.secret.get_secret_value(), key)
        if first.tenant != key.tenant:
            raise ValueError(
                f"CODE_API_KEYS: the tenants {first.tenant!r} and {key.tenant!r} have the same"
                " key; nothing would keep them apart"
            )
        if first != key:
            raise ValueError(
                f"CODE_API_KEYS: a key of the tenant {key.tenant!r} is there twice, with"
                " different limits"
            )
