"""Reads a JSON object from a hostile client without building what nobody asked for.

Fifty megabytes of `[[],[],…` would become a gigabyte of lists. So only the fields that a route
knows are looked at, each still as text; unknown ones are checked for syntax and skipped.
"""

from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from api.body import BodyLimits, request_body
from api.connection_answers import REQUEST_TIMED_OUT
from api.errors import Answer, BadRequestError
from api.held_bodies import HeldBody

NOT_UTF8 = "The body is not valid UTF-8"

NO_OBJECT = (
    "The body must be a JSON object, texts in double quotes. GET /schema has its fields."
)

MAX_JSON_BYTES = 50 * 1024 * 1024
"""librechat-contract 6.1."""

_LIMITS = BodyLimits(
    max_bytes=MAX_JSON_BYTES,
    too_large=Answer(
        HTTP_413_REQUEST_ENTITY_TOO_LARGE,
        "request entity too large",
        f"A JSON body may have {MAX_JSON_BYTES} bytes. Upload data as files instead.",
    ),
    too_slow=REQUEST_TIMED_OUT,
)

StructT = TypeVar("StructT", bound=msgspec.Struct)
ValueT = TypeVar("ValueT")

NULL = msgspec.Raw(b"null")
"""The text of a field that the client did not send. Clients send null for that, too."""


async def read_json_object(
    request: Request[Any, Any, Any], fields: type[StructT], held: HeldBody
) -> StructT:
    """Read the body as an object with `fields`, whatever its content type says.

    Each field is a part of the whole body, which is in memory for as long as any of them: let
    go of them before anything is waited for. `held` counts the body until it is told so.

    Raises:
        BadRequestError: It is not a JSON object. `error` is the parser's message.
        ApiError: It is larger than 50 MB, stopped coming, or is too much beside others.
        ClientGoneError: The client left.
    """
    body = bytearray()
    async for chunk in request_body(request, _LIMITS):
        held.add(len(chunk))
        body += chunk
    return decode(body, fields)


def decode(text: bytes | bytearray | msgspec.Raw, kind: type[StructT]) -> StructT:
    """Parse `text` as a `kind`.

    Raises:
        BadRequestError: It is no JSON (msgspec also refuses NaN, lone surrogates and control
            characters in strings, as RFC 8259 does), is nested too deeply, or is something
            else than an object.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except UnicodeDecodeError as fault:
        raise BadRequestError(NOT_UTF8) from fault
    except RecursionError as fault:
        raise BadRequestError("The JSON is nested too deeply") from fault
    except msgspec.MsgspecError as fault:
        raise BadRequestError(str(fault), NO_OBJECT) from fault


def size_bytes(field: msgspec.Raw) -> int:
    """Return the length of a field's text."""
    return memoryview(field).nbytes


def is_text(field: msgspec.Raw) -> bool:
    """Whether a field's text is that of a string."""
    return bytes(memoryview(field)[:1]) == b'"'


def read_optional(
    field: msgspec.Raw, kind: type[ValueT], problem: BadRequestError
) -> ValueT | None:
    """Read a field as a `kind`; None where it is absent or null.

    Raises:
        BadRequestError: `problem`, when it is something else.
    """
    try:
        return msgspec.json.decode(field, type=kind | None)
    except UnicodeDecodeError as fault:
        raise BadRequestError(NOT_UTF8) from fault
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise problem from fault


def read_text(field: msgspec.Raw, name: str) -> str | None:
    """Read a field as a string.

    Raises:
        BadRequestError: It is something else; the text names it.
    """
    return read_optional(field, str, BadRequestError(f"{name} must be a string"))
