"""What the API is told about LibreChat's tokens (librechat-contract 5.3).

The names are the contract's: an installation of the reference server keeps its settings.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from api.rates import BUCKETS, parse_rate
from executor.messages import MemoryClass
from storage.session_keys import is_tenant
from storage.settings import StorageSettings

ALGORITHMS = ("EdDSA", "RS256", "HS256")
MIN_SECRET_BYTES = 32
"""RFC 7518 3.2: a secret of HS256 is as long as its digest."""


class Plan(BaseModel):
    """What a `plan_id` gives instead of the server's own limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exec: str | None = None
    upload: str | None = None
    download: str | None = None
    list: str | None = None
    memory_class: MemoryClass | None = None

    @model_validator(mode="after")
    def _rates_can_be_read(self) -> Self:
        for rate in self.rates.values():
            parse_rate(rate)
        return self

    @property
    def rates(self) -> dict[str, str]:
        """Its rate limits, by bucket."""
        found = {bucket: getattr(self, bucket) for bucket in BUCKETS}
        return {bucket: rate for bucket, rate in found.items() if rate is not None}


class TokenSettings(StorageSettings):
    """Every variable about tokens; upper case in the environment."""

    codeapi_jwt_issuer: str = Field("librechat", min_length=1)
    codeapi_jwt_audience: str = Field("codeapi", min_length=1)
    codeapi_jwt_allowed_algs: str = "EdDSA,RS256"
    codeapi_jwt_jwks_json: str | None = None
    """`{"keys": [...]}`, each with its `kid`."""
    codeapi_jwt_public_keys_dir: Path | None = None
    """Folder of keys, PEM or JWK; a file's name without its extension is the `kid`."""
    codeapi_jwt_public_key: str | None = None
    """One key, PEM (its line ends may be written as two characters) or JWK."""
    codeapi_jwt_kid: str | None = None
    codeapi_jwt_key_id: str | None = None
    """Another name of `codeapi_jwt_kid`."""
    codeapi_jwt_hs256_secret: SecretStr | None = None
    """For development alone; `HS256` must be among the allowed algorithms as well."""
    codeapi_jwt_hs256_kid: str | None = None
    codeapi_jwt_key_cache_ttl_seconds: float = Field(30, gt=0, le=300)
    """How long a key that was taken away may still open the API."""
    codeapi_jwt_single_tenant_id: str | None = None
    """Tenant of tokens that name none."""
    codeapi_tenant_isolation_strict: bool = False
    """Whether a token must name its tenant."""
    codeapi_plan_limits: str | None = None
    """`{"pro": {"exec": "100/30s", "memory_class": "large"}}`: limits by `plan_id`."""

    @property
    def tokens_are_wanted(self) -> bool:
        """Whether any key to verify tokens with is named."""
        return any(
            (
                self.codeapi_jwt_jwks_json,
                self.codeapi_jwt_public_keys_dir,
                self.codeapi_jwt_public_key,
                self.codeapi_jwt_hs256_secret,
            )
        )

    @property
    def allowed_algorithms(self) -> tuple[str, ...]:
        """`codeapi_jwt_allowed_algs`, apart."""
        parts = self.codeapi_jwt_allowed_algs.split(",")
        return tuple(part.strip() for part in parts if part.strip())

    @property
    def key_id(self) -> str | None:
        """The `kid` of `codeapi_jwt_public_key`."""
        return self.codeapi_jwt_kid or self.codeapi_jwt_key_id

    @property
    def plans(self) -> Mapping[str, Plan]:
        """Limits by `plan_id`.

        Raises:
            ValueError: `CODEAPI_PLAN_LIMITS` cannot be read. Once the settings exist, it can.
        """
        if not self.codeapi_plan_limits:
            return {}
        problem = (
            'CODEAPI_PLAN_LIMITS: must be JSON such as {"pro": {"exec": "100/30s",'
            ' "memory_class": "large"}}'
        )
        try:
            found = json.loads(self.codeapi_plan_limits)
        except ValueError:
            raise ValueError(problem) from None
        if not isinstance(found, dict):
            raise ValueError(problem)  # noqa: TRY004 - a bad value, as pydantic has it
        try:
            return {str(name): Plan.model_validate(plan) for name, plan in found.items()}
        except ValidationError as fault:
            reason = fault.errors(include_input=False, include_url=False)[0]["msg"]
            raise ValueError(f"{problem}: {reason}") from None

    @model_validator(mode="after")
    def _token_settings_make_sense(self) -> Self:
        unknown = set(self.allowed_algorithms) - set(ALGORITHMS)
        if unknown or not self.allowed_algorithms:
            raise ValueError(
                f"CODEAPI_JWT_ALLOWED_ALGS: must be a list of {', '.join(ALGORITHMS)}"
            )
        if self.codeapi_jwt_public_key and not self.key_id:
            raise ValueError("CODEAPI_JWT_KID: is needed beside CODEAPI_JWT_PUBLIC_KEY")
        secret = self.codeapi_jwt_hs256_secret
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(
                f"CODEAPI_JWT_HS256_SECRET: needs at least {MIN_SECRET_BYTES} bytes"
            )
        single = self.codeapi_jwt_single_tenant_id
        if single is not None and not is_tenant(single):
            raise ValueError(
                "CODEAPI_JWT_SINGLE_TENANT_ID: is 1 to 64 letters, digits, `_` and `-`"
            )
        _ = self.plans
        return self
