"""How one error is told to a client (librechat-contract 2.0)."""

from collections.abc import Mapping
from typing import NamedTuple

RETRY_AFTER_S = 5
"""About what an executor, the broker or S3 needs to come back."""

RETRY = "Nothing was stored; send the request again."


class Answer(NamedTuple):
    """How one error is told to a client."""

    status: int
    error: str
    message: str | None = None
    details: str | None = None
    retry_after_s: int | None = None
    more: Mapping[str, str | int] = {}
    """Further fields of the body."""

    @property
    def body(self) -> dict[str, str | int]:
        """The fields that the client is sent."""
        texts = {"error": self.error, "message": self.message, "details": self.details}
        said = {name: text for name, text in texts.items() if text is not None}
        return {**said, **self.more}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
