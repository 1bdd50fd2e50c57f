"""Turns errors into responses, as the table in `api.errors` says."""

import logging
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import (
    HTTP_404_NOT_FOUND,
    HTTP_405_METHOD_NOT_ALLOWED,
    HTTP_500_INTERNAL_SERVER_ERROR,
)
from litestar.types import ExceptionHandlersMap

from api.auth import NotLetInError, identify
from api.dispatch import QueueFullError
from api.errors import INTERNAL, STORAGE_FAILURE, Answer, answer_to
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

SHOWN_PATH_CHARS = 200

_HTTP_ERRORS: Mapping[int, tuple[str, str]] = {
    HTTP_404_NOT_FOUND: ("Not found", "No such route. GET /schema lists them."),
    HTTP_405_METHOD_NOT_ALLOWED: (
        "Method not allowed",
        "The Allow header names what this route takes.",
    ),
}


def _respond(answer: Answer, headers: Mapping[str, str] | None = None) -> Response[Any]:
    return Response(
        answer.body,
        status_code=answer.status,
        headers={**answer.headers, **(headers or {})},
    )


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer with what the table says; a bug is logged here and told to nobody."""
    answer = answer_to(error)
    if answer is INTERNAL:
        logger.error("%s failed", _name(request), exc_info=error)
    elif answer.status >= HTTP_500_INTERNAL_SERVER_ERROR and not isinstance(
        error,
        QueueFullError,  # A flood: `api.turns` says so, seldom.
    ):
        logger.warning("%s: %r", _name(request), error)
    if isinstance(error, StorageUnavailableError):
        answer = answer._replace(
            error=request.route_handler.opt.get(STORAGE_FAILURE, answer.error)
        )
    return _respond(answer)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer for the framework: unknown routes, wrong methods, unreadable requests."""
    if error.status_code in _HTTP_ERRORS:
        # No handler was found, so no guard has asked yet who is calling. Nobody without a
        # key learns which routes exist.
        try:
            identify(request)
        except NotLetInError as refused:
            return on_error(request, refused)
    if error.status_code >= HTTP_500_INTERNAL_SERVER_ERROR:
        return on_error(request, error)
    text, message = _HTTP_ERRORS.get(error.status_code, (error.detail, None))
    return _respond(Answer(error.status_code, text, message), error.headers)


def _name(request: Request[Any, Any, Any]) -> str:
    """Name a request in the log: quoted, since the client wrote it, and without its query."""
    return f"{request.method} {request.scope['path'][:SHOWN_PATH_CHARS]!r}"


EXCEPTION_HANDLERS: ExceptionHandlersMap = {HTTPException: on_http_error, Exception: on_error}
