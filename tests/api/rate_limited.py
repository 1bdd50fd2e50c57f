"""A service that counts requests in a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from httpx import ASGITransport, AsyncClient, Response

from api.rate_limits import RateLimits
from api.rate_store import connected_rate_store
from api.rates import parse_rate
from api.settings import ApiSettings
from tests.api.broker import Valkey
from tests.api.service import KEY, UNKNOWN_ID, Service, make_service, make_settings

EXEC = ("POST", "/exec")
UPLOAD = ("POST", "/upload")
DOWNLOAD = ("GET", f"/download/{UNKNOWN_ID}/{UNKNOWN_ID}")
LIST = ("GET", f"/files/{UNKNOWN_ID}")

HEADERS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
"""Of an answer."""

HELLO = {"lang": "py", "code": "print(1)"}


class Limited:
    """One replica of the API, and clients of it."""

    def __init__(self, limits: RateLimits, http: AsyncClient, service: Service) -> None:
        self.limits = limits
        self.service = service
        self._http = http

    async def ask(
        self, route: tuple[str, str] = EXEC, *, key: str = KEY, **headers: str
    ) -> Response:
        """Send a request that is good where it can be without files; any answer will do."""
        method, path = route
        more: dict[str, Any] = {"json": HELLO} if path.endswith("/exec") else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._http.request(
            method, path, headers={"X-API-Key": key, **named}, **more
        )

    async def statuses(self, count: int, *args: Any, **more: Any) -> list[int]:
        """Ask so often, one after the other."""
        return [(await self.ask(*args, **more)).status_code for _ in range(count)]

    async def statuses_at_once(self, count: int) -> list[int]:
        """Ask so often at the same time."""
        answers = await asyncio.gather(*(self.ask() for _ in range(count)))
        return [answer.status_code for answer in answers]


@asynccontextmanager
async def limited(
    valkey: Valkey, settings: ApiSettings | None = None, /, **rates: str
) -> AsyncGenerator[Limited, None]:
    """Make a replica with the default rates, but `rates` (`exec="2/30s"`)."""
    settings = settings or make_settings()
    own = {bucket: parse_rate(text) for bucket, text in rates.items()}
    async with connected_rate_store(valkey.url) as store:
        limits = RateLimits({**settings.rates, **own}, store)
        service = make_service(settings, rate_limits=limits)
        app: Any = service.app  # The two libraries describe ASGI in types of their own.
        async with AsyncClient(transport=ASGITransport(app), base_url="http://api") as http:
            yield Limited(limits, http, service)


def refused(statuses: Iterable[int]) -> int:
    """Count those that have to wait."""
    return sum(status == 429 for status in statuses)
