"""Answers about a connection: bytes too slow, a head too large, a server that stops."""

from litestar.status_codes import (
    HTTP_408_REQUEST_TIMEOUT,
    HTTP_431_REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTP_503_SERVICE_UNAVAILABLE,
    HTTP_504_GATEWAY_TIMEOUT,
)

from api.errors import RETRY_AFTER_S, Answer

REQUEST_TIMED_OUT = Answer(
    HTTP_408_REQUEST_TIMEOUT,
    "Request timeout",
    "The request did not arrive in time. Send it again.",
)
HEAD_TOO_LARGE = Answer(
    HTTP_431_REQUEST_HEADER_FIELDS_TOO_LARGE,
    "Request header fields too large",
    "Address and headers may have 64 KiB in all; of headers, there may be 256.",
)
UPLOAD_TIMED_OUT = Answer(
    HTTP_504_GATEWAY_TIMEOUT,
    "Upload timeout",
    "The file did not arrive in time. Nothing was stored; upload it again.",
)

SHUTTING_DOWN = Answer(
    HTTP_503_SERVICE_UNAVAILABLE,
    "Service is shutting down",
    "Send the request again in a few seconds.",
    retry_after_s=RETRY_AFTER_S,
)
"""Of `api.stopping`: what a request is told that the server cannot bring to its end."""
