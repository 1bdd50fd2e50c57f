"""Sends a stored file as it is read from storage."""

from typing import Any
from urllib.parse import quote

from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from storage.records import FileEntry
from storage.sessions import Sessions


def download_headers(entry: FileEntry) -> dict[str, str]:
    """Return the headers of librechat-contract 2.6.

    LibreChat relays them to the browser as they are, so there is no content encoding, and
    the name is percent-encoded: neither quotes nor line breaks get into a header.
    """
    headers = {
        "Content-Type": entry.content_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(entry.name, safe='')}",
        "Content-Length": str(entry.size_bytes),
        # Its type is what its name says; a browser shall not find another in its bytes.
        "X-Content-Type-Options": "nosniff",
    }
    if entry.read_only:
        headers["X-Read-Only"] = "true"
    return headers


class Download(ASGIStreamingResponse):
    """A response whose body is one stored object.

    The object is opened before the status is sent, so a missing one is still a 404. A read
    that fails midway raises: the server then drops the connection, and the client sees fewer
    bytes than `Content-Length` announced rather than a shorter file.
    """

    def __init__(self, sessions: Sessions, tenant: str, entry: FileEntry) -> None:
        super().__init__(
            iterator=(), headers=download_headers(entry), media_type=entry.content_type
        )
        self._sessions = sessions
        self._tenant = tenant
        self._entry = entry

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._sessions.open_file(self._tenant, self._entry) as opened:
            self.iterator: Any = opened.chunks
            await super().__call__(scope, receive, send)
