"""How much memory the JSON bodies of requests may take, all of them together.

One body may have 50 MB, and whoever has a key can send hundreds at once: 24 runs whose bodies
had 48 MB of an unknown field each took 1.2 GB while they ran, and with `QUEUE_LIMIT_PER_TENANT`
as it is, 200 may wait. So bytes are counted as they come, and until they are let go of.
"""

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from litestar.status_codes import HTTP_429_TOO_MANY_REQUESTS, HTTP_503_SERVICE_UNAVAILABLE

from api.answer import RETRY_AFTER_S, Answer
from api.errors import ApiError
from api.seldom import Seldom

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
MOST_BYTES = 512 * MIB
"""Of all tenants. The API itself has 130 MB, and 2 GB in compose."""

MOST_BYTES_OF_TENANT = 256 * MIB
"""Five bodies of the largest size, or 200 programs of a megabyte each."""

_TENANTS = Answer(
    HTTP_429_TOO_MANY_REQUESTS,
    "rate_limited",
    "Requests of yours that are being answered hold too much memory. Nothing was started; try"
    " again in a few seconds, or upload what is data as a file.",
    retry_after_s=RETRY_AFTER_S,
    more={"retry_after_seconds": RETRY_AFTER_S},
)
_ALL = Answer(
    HTTP_503_SERVICE_UNAVAILABLE,
    "microvm_launch_throttled",
    "The requests that are being answered hold too much memory. Nothing was started; try again"
    " in a few seconds.",
    retry_after_s=RETRY_AFTER_S,
)


class HeldBodies:
    """Counts what is held, in one process. Used in one event loop."""

    def __init__(
        self, *, most_bytes: int = MOST_BYTES, most_of_tenant: int = MOST_BYTES_OF_TENANT
    ) -> None:
        """Begin with nothing.

        Args:
            most_bytes: That all requests may hold.
            most_of_tenant: Of those, one tenant's.
        """
        self._most_bytes = most_bytes
        self._most_of_tenant = most_of_tenant
        self._by_tenant: Counter[str] = Counter()
        self._seldom = Seldom()

    @property
    def held_bytes(self) -> int:
        """How much is held."""
        return self._by_tenant.total()

    @contextmanager
    def hold(self, tenant: str) -> "Generator[HeldBody]":
        """Hold the body of one request until the block ends."""
        body = HeldBody(self, tenant)
        try:
            yield body
        finally:
            body.let_go()

    def count(self, tenant: str, more_bytes: int) -> None:
        """Count `more_bytes`, which are fewer where there are less than none.

        Raises:
            ApiError: That is too much, of a tenant's or of all. Nothing was counted.
        """
        of_tenant = self._by_tenant[tenant] + more_bytes
        if more_bytes > 0:
            if of_tenant > self._most_of_tenant:
                raise self._refusal(tenant, _TENANTS)
            if self.held_bytes + more_bytes > self._most_bytes:
                raise self._refusal(tenant, _ALL)
        self._by_tenant[tenant] = of_tenant
        if not of_tenant:
            del self._by_tenant[tenant]

    def _refusal(self, tenant: str, answer: Answer) -> ApiError:
        if self._seldom.is_due(tenant):
            held = self._by_tenant[tenant] // MIB
            logger.warning(
                "requests of tenant %s are refused: bodies of its requests hold %d MiB, of all"
                " %d MiB",
                *(tenant, held, self.held_bytes // MIB),
            )
        return ApiError(answer)


class HeldBody:
    """What one request holds."""

    def __init__(self, bodies: HeldBodies, tenant: str) -> None:
        self._bodies = bodies
        self._tenant = tenant
        self._bytes = 0

    def add(self, more_bytes: int) -> None:
        """Note that so much has come.

        Raises:
            ApiError: It is too much, beside what other requests hold. Safe to retry later.
        """
        self._bodies.count(self._tenant, more_bytes)
        self._bytes += more_bytes

    def keep(self, kept_bytes: int) -> None:
        """Note that so much is held from now on, in place of the body.

        That may be more: text with one rare character takes four bytes for each.

        Raises:
            ApiError: As `add`.
        """
        self.add(kept_bytes - self._bytes)

    def let_go(self) -> None:
        """Note that nothing is held any more."""
        self.add(-self._bytes)
