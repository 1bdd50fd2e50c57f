"""Reads a process's settings from the environment, and says plainly what is wrong in them."""

import difflib
import os
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

PREFIXES = ("CODEAPI_", "CODE_", "EXECUTOR_", "RATE_LIMIT_", "S3_", "SANDBOX_")
"""A variable that begins so is meant for us. Names such as `SESSION_…` or `MEMORY_…` are left
out: desktops and other services use them too."""

VARIABLES = frozenset(
    {
        "AUDIT_LOG_DIR",
        "BROKER_URL",
        "CLEANUP_INTERVAL_MINUTES",
        "CODEAPI_JWT_ALLOWED_ALGS",
        "CODEAPI_JWT_AUDIENCE",
        "CODEAPI_JWT_HS256_KID",
        "CODEAPI_JWT_HS256_SECRET",
        "CODEAPI_JWT_ISSUER",
        "CODEAPI_JWT_JWKS_JSON",
        "CODEAPI_JWT_KEY_CACHE_TTL_SECONDS",
        "CODEAPI_JWT_KEY_ID",
        "CODEAPI_JWT_KID",
        "CODEAPI_JWT_PUBLIC_KEY",
        "CODEAPI_JWT_PUBLIC_KEYS_DIR",
        "CODEAPI_JWT_SINGLE_TENANT_ID",
        "CODEAPI_PLAN_LIMITS",
        "CODEAPI_TENANT_ISOLATION_STRICT",
        "CODE_API_KEY",
        "CODE_API_KEYS",
        "CODE_API_KEYS_FILE",
        "CODE_EXECUTOR_ID",
        "CODE_EXEC_TIMEOUT",
        "CODE_HOST",
        "CODE_PORT",
        "CODE_WORK_DIR",
        "CORS_ORIGINS",
        "CPU_LIMIT",
        "EXECUTION_PROFILE",
        "EXECUTOR_CONCURRENCY",
        "EXECUTOR_MIN_FREE_DISK",
        "EXECUTOR_MIN_FREE_MEMORY",
        "EXECUTOR_SHUTDOWN_GRACE",
        "LARGE_MEMORY_FOR",
        "LOCAL_MODE",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_OUTPUT_FILES",
        "MAX_UPLOAD_SIZE",
        "MEMORY_LIMIT",
        "MEMORY_LIMIT_LARGE",
        "METRICS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OUTPUT_EXTENSIONS",
        "OUTPUT_MAX_BYTES",
        "PROGRAMMATIC_MAX_WAITING",
        "PROGRAMMATIC_MAX_WAITING_PER_TENANT",
        "QUEUE_LIMIT",
        "QUEUE_LIMIT_PER_TENANT",
        "QUEUE_TIMEOUT",
        "RATE_LIMIT_DOWNLOAD",
        "RATE_LIMIT_EXEC",
        "RATE_LIMIT_LIST",
        "RATE_LIMIT_UPLOAD",
        "RESULT_BACKEND_URL",
        "S3_ACCESS_KEY_ID",
        "S3_BUCKET",
        "S3_ENDPOINT_URL",
        "S3_PREFIX",
        "S3_REGION",
        "S3_SECRET_ACCESS_KEY",
        "SANDBOX_ENGINE",
        "SANDBOX_IMAGE",
        "SANDBOX_IMAGES_DIR",
        "SANDBOX_LANGUAGES",
        "SANDBOX_POOL_MAX",
        "SANDBOX_POOL_SIZE",
        "SANDBOX_RUNTIME",
        "SANDBOX_STRICT",
        "SERVER_TIMING",
        "SESSION_MAX_AGE_HOURS",
        "SHARED_ASSETS_PATH",
        "STATE_PERSISTENCE",
        "STATE_SIZE_LIMIT",
        "STATE_STRICT",
        "WORKSPACE_SIZE_LIMIT",
    }
)
"""What any part of the product reads. One list, because the parts often share one
environment; a test holds it against their settings models."""

SHOWN_CHARS = 60

_PLAIN_WORDS = {
    "int_parsing": "must be a whole number without a unit",
    "float_parsing": "must be a number without a unit",
    "bool_parsing": "must be true or false",
}
"""Instead of pydantic's words for the mistakes that people make most, such as `256M`."""


class ConfigurationError(Exception):
    """The environment does not make valid settings.

    Its text is one line per bad variable, with the variable's name and never a secret.
    """


class UnknownVariable(NamedTuple):
    """A variable with our prefix that nothing reads: most likely a slip of the pen."""

    name: str
    nearest: str | None
    """The variable that may have been meant."""

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.name} is set, but nothing reads it{hint}"


def load_settings(model: type[SettingsT]) -> SettingsT:
    """Build `model` from the environment.

    Raises:
        ConfigurationError: A variable is bad or missing. The cause is cut off, since a
            validation error quotes what it was given, secrets included.
    """
    try:
        return model()
    except ValidationError as fault:
        lines = [
            _line(model, error)
            for error in fault.errors(include_url=False, include_context=True)
        ]
        raise ConfigurationError("\n".join(lines)) from None
    except SettingsError as fault:
        raise ConfigurationError(str(fault)) from None


def unknown_variables(
    environment: Mapping[str, str] = os.environ, *, known: frozenset[str] = VARIABLES
) -> tuple[UnknownVariable, ...]:
    """Return the variables that look like ours and that nothing reads, by name."""
    return tuple(
        UnknownVariable(
            name, next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)
        )
        for name in sorted(environment)
        if name.startswith(PREFIXES) and name not in known
    )


def _line(model: type[BaseSettings], error: ErrorDetails) -> str:
    """Name the variable, say what is wrong, and show what was found unless it is secret."""
    known = model.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    problem = _problem(error, known)
    if not error["loc"]:
        return problem  # A check across several variables: its text names them.
    field = str(error["loc"][0])
    found = repr(error["input"])
    if known is None or "Secret" in str(known.annotation) or error["type"] == "missing":
        return f"{field.upper()}: {problem}"
    shown = found if len(found) <= SHOWN_CHARS else found[:SHOWN_CHARS] + "…"
    return f"{field.upper()}: {problem}, found {shown}"


def _problem(error: ErrorDetails, field: FieldInfo | None) -> str:
    """Say what is wrong in the words of whoever writes `.env`, who knows no types."""
    cause = error.get("ctx", {}).get("error")
    if cause:
        return str(cause)
    if error["type"] == "string_pattern_mismatch" and field is not None and field.examples:
        return f"must look like {field.examples[0]}"
    plain = _PLAIN_WORDS.get(error["type"])
    if plain is not None:
        return plain
    message = error["msg"].removeprefix("Input should be ")
    if message != error["msg"]:
        return f"must be {message}"
    return message[:1].lower() + message[1:]
