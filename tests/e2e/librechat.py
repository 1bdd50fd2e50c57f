"""LibreChat's server with files, as one user whose requests are let in one way or another."""

import json
from typing import Any

from tests.api.tokens import USER
from tests.e2e.client import NodeProcess
from tests.e2e.signed import signed
from tests.live.running_service import TENANTS, RunningService

WAYS = ("key", "address", "token", "both")
"""With the key in a header or in the address; with a token, and the profile that LibreChat
expects; with key and token, as its newest check of what is alive (librechat-contract 5.1)."""


class LibreChat:
    """What a user of the first tenant has LibreChat send.

    Args:
        node: The script `librechat.cjs`.
        service: Whom it asks.
        way: One of `WAYS`.
        user: The id that LibreChat knows him by.
        profile: What it expects the service to be; said beside tokens only.
    """

    def __init__(
        self,
        node: NodeProcess,
        service: RunningService,
        way: str,
        *,
        user: str = USER,
        profile: str = "default",
    ) -> None:
        self.user = user
        self._node = node
        self._headers: dict[str, str] = {}
        key = service.keys[TENANTS[0]]
        address = service.address
        if way == "address":
            address = address.replace("://", f"://{key}@")
        if way in {"key", "both"}:
            self._headers["X-API-Key"] = key
        if way in {"token", "both"}:
            self._headers["Authorization"] = f"Bearer {signed(user)}"
            self._headers["X-CodeAPI-Expected-Profile"] = profile
        self._base = f"{address}/v1"

    @property
    def scope(self) -> str:
        """The query of everything that is this user's own."""
        return f"kind=user&id={self.user}"

    def upload(self, files: dict[str, str], *fields: tuple[str, str], **more: Any) -> Any:
        """Upload files, which must be stored; return the answer's body."""
        answer = self.try_to_upload(files, *fields, **more)
        assert answer["status"] == 200, answer
        return json.loads(answer["text"])

    def try_to_upload(
        self,
        files: dict[str, str],
        *fields: tuple[str, str],
        route: str = "upload",
        known_length: bool = True,
    ) -> Any:
        """Send a form; return the answer's status and text."""
        return self._node.ask(
            "upload",
            url=f"{self._base}/{route}",
            headers={**self._headers, "User-Id": self.user},
            fields=fields,
            files=[{"name": name, "text": text} for name, text in files.items()],
            knownLength=known_length,
        )

    def ask(self, path: str, method: str = "GET") -> Any:
        """Return the answer's status, headers and text."""
        url = f"{self._base}/{path}"
        return self._node.ask("request", url=url, method=method, headers=self._headers)

    def json(self, path: str) -> Any:
        """Return the body of an answer that must be a 200."""
        answer = self.ask(path)
        assert answer["status"] == 200, answer
        return json.loads(answer["text"])

    def hours_since(self, date: str) -> float:
        """Return how old LibreChat takes something for."""
        return self._node.ask("hoursSince", date=date)
