"""What clients are told while the server stops (librechat-contract 2.0)."""

import asyncio
import json
from collections.abc import Callable

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.connection_answers import SHUTTING_DOWN
from api.profile import PROFILE, PROFILE_HEADER


class UntilStopped:
    """An app that answers for another one as soon as the server stops.

    Uvicorn cancels requests that take too long then, and would answer them with a 500 in plain
    text; one that came too late on a connection that was kept open would still be begun.
    """

    def __init__(self, app: ASGIApp, *, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say that it cannot be served."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._is_stopping():
            await _refuse(send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def send_and_note(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if is_answered or not self._is_stopping():
                raise
            # Not raised again: the request ends here, and uvicorn would log a traceback.
            await _refuse(send)


async def _refuse(send: Send) -> None:
    body = json.dumps(SHUTTING_DOWN.body).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        PROFILE_HEADER: PROFILE,
        **SHUTTING_DOWN.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": SHUTTING_DOWN.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
