"""The file of API keys that `./code-command keys` writes and the API reads.

It holds digests. The keys are 256 random bits, so one round of SHA-256 is enough: what makes
passwords need a slow hash is that they can be guessed, and these cannot.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from api.rates import check_rates
from api.seldom import Seldom
from executor.messages import MemoryClass

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 4 * 1024 * 1024
"""About 10,000 keys."""

LOOK_INTERVAL_S = 1.0
"""How often, at most, the API looks whether the file has changed: a revoked key opens
nothing after this."""

TENANT = r"^[A-Za-z0-9_-]{1,64}$"


class KeyFileError(Exception):
    """The file cannot be used; the text says why, without quoting it."""


class KeyRecord(BaseModel):
    """One key, without the key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[a-z0-9]{8}$")
    """What it is listed and revoked by."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str = Field(pattern=TENANT)
    name: str = Field(default="", max_length=100)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    rates: dict[str, str] = {}
    """Rate limits instead of the server's, by bucket."""
    memory_class: MemoryClass | None = None

    @model_validator(mode="after")
    def _rates_can_be_read(self) -> Self:
        check_rates(self.rates)
        return self


class KeyFileContent(BaseModel):
    """All of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()


def key_digest(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key.encode(errors="surrogateescape")).hexdigest()


def read_key_file(path: Path) -> KeyFileContent:
    """Read the file; without one there are no keys.

    Raises:
        KeyFileError: It cannot be read, or is not such a file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return KeyFileContent()
    except OSError as fault:
        raise KeyFileError(f"{path} cannot be read: {fault.strerror}") from fault
    if len(content) > MAX_FILE_BYTES:
        raise KeyFileError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        return KeyFileContent.model_validate_json(content)
    except ValidationError as fault:
        error = fault.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in error["loc"]) or "as a whole"
        raise KeyFileError(f"{path} is no file of keys ({place}: {error['type']})") from None


class KeyFile:
    """The keys in it, as they are at most `LOOK_INTERVAL_S` ago.

    A file that has become unreadable leaves the keys as they were, with a line in the log: a
    slip in it shall not lock out everybody.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._records: tuple[KeyRecord, ...] = ()
        self._identity: tuple[int, ...] | None = None
        self._looked_at: float | None = None
        self._trouble = Seldom()

    def records(self) -> tuple[KeyRecord, ...]:
        """Return the keys that have not expired."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= LOOK_INTERVAL_S:
            self._looked_at = now
            self._look()
        today = datetime.now(UTC)
        return tuple(
            record
            for record in self._records
            if record.expires_at is None or today < record.expires_at
        )

    def _look(self) -> None:
        try:
            details = self._path.stat()
            identity = (details.st_ino, details.st_mtime_ns, details.st_size)
        except FileNotFoundError:
            identity = ()
        except OSError:
            identity = None  # Reading will say why.
        if identity is not None and identity == self._identity:
            return
        try:
            self._records = read_key_file(self._path).keys
            self._identity = identity
        except KeyFileError as fault:
            if self._trouble.is_due("file"):
                # A slip in a file: a traceback would say less than this.
                logger.error("%s; the keys stay as they were", fault)  # noqa: TRY400
