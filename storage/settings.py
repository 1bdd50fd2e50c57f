"""What every process is told, by its environment, about storage."""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_AGE_LIMIT_HOURS = 24 * 365 * 10


class StorageSettings(BaseSettings):
    """Where objects are kept and for how long; upper case in the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,  # Compose passes `NAME=` for what its user left out.
        hide_input_in_errors=True,  # A rejected value may be a secret.
    )

    s3_endpoint_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/?#]+/?$", examples=["http://127.0.0.1:9000"]
    )
    """Scheme, host and port of an S3-compatible service; `None` means AWS."""
    s3_bucket: str = Field(
        default="code-command",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        examples=["code-command"],
    )
    s3_region: str = Field(
        default="us-east-1", pattern=r"^[a-z0-9-]{1,64}$", examples=["us-east-1"]
    )
    s3_access_key_id: str | None = None
    """With `s3_secret_access_key`; without both, AWS's own chain of credentials (the
    environment, the container's role, the machine's) is asked."""
    s3_secret_access_key: SecretStr | None = None
    s3_prefix: str = Field(
        default="sessions/",
        max_length=256,
        pattern=r"^([A-Za-z0-9_-]+/)+$",
        examples=["sessions/"],
    )
    """Everything is kept below it, and the bucket's expiry rule applies to it alone. Never
    empty: the rule would then expire whatever else lies in the bucket."""

    session_max_age_hours: float = Field(default=24, gt=0, le=MAX_AGE_LIMIT_HOURS)
    """How long sessions and files can be reached after they were stored."""
    max_upload_size: int = Field(default=52_428_800, gt=0)
    """Most bytes of one uploaded file."""

    @property
    def session_max_age(self) -> timedelta:
        """How long sessions and files can be reached after they were stored."""
        return timedelta(hours=self.session_max_age_hours)

    @model_validator(mode="after")
    def _credentials_come_in_pairs(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together: set both")
        return self
