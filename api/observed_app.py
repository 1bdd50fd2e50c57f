"""Gives every request an id, and a span where traces are wanted."""

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from telemetry import traces
from telemetry.ids import bound, request_id_from

REQUEST_ID_HEADER = "X-Request-ID"
"""Taken from the client, where it is one; told with every answer."""


class ObservedApp:
    """An app that serves each request of another one under an id of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        request_id = request_id_from(headers.get(REQUEST_ID_HEADER.lower()))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[REQUEST_ID_HEADER] = request_id
                _note_answer(scope, message["status"])
            await send(message)

        parent = traces.valid_parent(headers.get("traceparent", ""))
        method = scope["method"]
        with (
            bound(request_id=request_id),
            traces.span(
                f"HTTP {method}",
                kind="server",
                parent=parent,
                attributes={"http.request.method": method, "request_id": request_id},
            ),
        ):
            await self._app(scope, receive, send_with_id)


def _note_answer(scope: Scope, status: int) -> None:
    route = scope.get("path_template", "unknown")
    traces.note(**{"http.route": route, "http.response.status_code": status})
