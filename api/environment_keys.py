"""The API keys that `CODE_API_KEYS` holds.

Either `tenant=key,tenant2=key2`, or a JSON list, whose keys may have limits of their own:
`[{"tenant": "acme", "key": "…", "limits": {"exec": "200/30s"}, "memory_class": "large"}]`.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from api.rates import check_rates
from executor.messages import MemoryClass
from storage.session_keys import is_tenant

VARIABLE = "CODE_API_KEYS"


class ApiKey(NamedTuple):
    """A key, the tenant that it belongs to, and what it is given."""

    tenant: str
    secret: SecretStr
    rates: Mapping[str, str] = {}
    """Rate limits instead of the server's, by bucket."""
    memory_class: MemoryClass | None = None


class _Entry(BaseModel):
    """A key as the list has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tenant: str
    key: SecretStr
    limits: dict[str, str] = Field(default_factory=dict)
    memory_class: MemoryClass | None = None

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if not is_tenant(self.tenant):
            raise ValueError("a tenant is 1 to 64 letters, digits, `_` and `-`")
        check_rates(self.limits)
        return self


_LIST = TypeAdapter(tuple[_Entry, ...])


def read_keys(text: str) -> tuple[ApiKey, ...]:
    """Read either form; nothing is no keys.

    Raises:
        ValueError: It is neither. The text names the variable and quotes nothing of it.
    """
    if text.lstrip().startswith("["):
        return _from_list(text)
    return tuple(_from_pair(part.strip()) for part in text.split(",") if part.strip())


def _from_pair(pair: str) -> ApiKey:
    tenant, separator, secret = pair.partition("=")
    if not separator or not is_tenant(tenant):
        raise ValueError(
            f"{VARIABLE}: must read `tenant=key,tenant2=key2`, with tenants of at most 64"
            " letters, digits, `_` and `-`, or be a JSON list"
        )
    return ApiKey(tenant, SecretStr(secret))


def _from_list(text: str) -> tuple[ApiKey, ...]:
    try:
        entries = _LIST.validate_json(text)
    except ValidationError as fault:
        error = fault.errors(include_input=False, include_url=False)[0]
        raise ValueError(
            f'{VARIABLE}: must be a list such as [{{"tenant": "acme", "key": "…", "limits":'
            f' {{"exec": "200/30s"}}, "memory_class": "large"}}]: {_place(error["loc"])}'
            f"{error['msg'].removeprefix('Value error, ')}"
        ) from None
    return tuple(
        ApiKey(entry.tenant, entry.key, entry.limits, entry.memory_class) for entry in entries
    )


def _place(place: tuple[int | str, ...]) -> str:
    """Say which entry and which field are meant; another name may be a key, misplaced."""
    entries = [f"entry {step + 1}: " for step in place if isinstance(step, int)]
    fields = [f"{step}: " for step in place if step in _Entry.model_fields]
    return "".join([*entries[:1], *fields[:1]])
