"""Reads `multipart/form-data` as a stream: no part is ever in memory whole."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import unquote

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from api.errors import BadRequestError, PayloadTooLargeError

MAX_PARTS = 250
"""200 files, which is what a batch may have (librechat-contract 6.1), and the fields."""
MAX_BATCH_PARTS = 2_000
"""Of a batch, whose files over the 200 are read and dropped."""
MAX_FIELD_BYTES = 8 * 1024
MAX_BOUNDARY_CHARS = 200
"""RFC 2046 allows 70. The parser searches every byte for it."""
PIECE_BYTES = 256 * 1024
"""A server may hand over a body in one piece of any size; it is parsed in pieces of this."""

_EXTENDED_NAME = re.compile(
    r"""filename\*\s*=\s*"?(utf-8|iso-8859-1)'[^']*'([^;"\s]*)"?""", re.IGNORECASE
)
_QUOTES_WITHIN = re.compile(r"""\bfilename="([^"\\]*"[^;"\s\\][^;\\]*)"\s*(?:;|$)""")
"""A name with bare quotation marks in it. The npm package `form-data` 4.0.4, which LibreChat
uploads with, does not escape them; read by the book such a name would end at the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A part that is text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A part with a filename, whose bytes have not been read yet."""

    filename: str
    """Decoded, and otherwise as the client wrote it: possibly a path, possibly hostile."""
    content_type: str | None
    chunks: AsyncIterator[bytes]
    """To be read to its end before the next part is asked for."""


def boundary_of(content_type: str) -> str:
    """Return the boundary that a request's `Content-Type` names.

    Raises:
        BadRequestError: It is no multipart form, or has no usable boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise BadRequestError("Invalid content type. Must be multipart/form-data.")
    boundary = str(options.get("boundary", ""))
    if not 0 < len(boundary) <= MAX_BOUNDARY_CHARS or not boundary.isascii():
        raise BadRequestError(
            "Invalid content type. Must be multipart/form-data.",
            "The Content-Type header has no usable boundary; let the HTTP library set it.",
        )
    return boundary


async def form_parts(
    body: AsyncIterator[bytes], boundary: str, *, max_parts: int = MAX_PARTS
) -> AsyncGenerator[FormField | FilePart, None]:
    """Yield the parts of a form in their order.

    Raises:
        BadRequestError: The body is not such a form, or ends early.
        PayloadTooLargeError: It has too many parts, or oversized fields or headers.
        Exception: Whatever `body` raises passes through.
    """
    async with aclosing(_events(body, boundary, max_parts)) as events:
        async for segment in events:
            if not isinstance(segment, MultipartSegment):
                continue  # The rest of a file that the reader did not want whole.
            filename = _filename(segment)
            if filename is None:
                yield FormField(name=segment.name or "", value=await _text(events))
            else:
                yield FilePart(
                    filename=filename,
                    content_type=segment.content_type,
                    chunks=_payload(events),
                )


async def _events(
    body: AsyncIterator[bytes], boundary: str, max_parts: int
) -> AsyncGenerator[MultipartSegment | bytes | None, None]:
    """Yield a segment's head, its bytes in pieces, then None; and so for each."""
    try:
        with PushMultipartParser(boundary, max_segment_count=max_parts) as parser:
            async for chunk in body:
                for start in range(0, len(chunk), PIECE_BYTES):
                    for event in parser.parse(chunk[start : start + PIECE_BYTES]):
                        yield event
    except ParserLimitReached as fault:
        raise PayloadTooLargeError(
            "Form is too large",
            f"{fault}. A form may have {max_parts} parts with short headers.",
        ) from fault
    except MultipartError as fault:
        raise BadRequestError(f"Malformed multipart form: {fault.args[0]}") from fault


async def _payload(
    events: AsyncIterator[MultipartSegment | bytes | None],
) -> AsyncIterator[bytes]:
    async for event in events:
        if not isinstance(event, bytes | bytearray):
            return
        yield bytes(event)


async def _text(events: AsyncIterator[MultipartSegment | bytes | None]) -> str:
    value = bytearray()
    async for chunk in _payload(events):
        value += chunk
        if len(value) > MAX_FIELD_BYTES:
            raise PayloadTooLargeError(
                "Form field is too large",
                f"A field may have {MAX_FIELD_BYTES} bytes. A file needs a filename.",
            )
    return value.decode(errors="replace")


def _filename(segment: MultipartSegment) -> str | None:
    """Return the decoded filename; None for a field.

    `filename*` (RFC 5987) wins, as RFC 6266 has it. A plain one that is percent-encoded is
    decoded as well, as the reference does; what decodes to no UTF-8 stays as it is.
    """
    disposition = segment.header("Content-Disposition") or ""
    if extended := _EXTENDED_NAME.search(disposition):
        charset, encoded = extended.groups()
        return _unquoted(encoded, charset) or encoded
    if quoted := _QUOTES_WITHIN.search(disposition):
        return _unquoted(quoted[1], "utf-8") or quoted[1]
    if segment.filename is None:
        return None
    return _unquoted(segment.filename, "utf-8") or segment.filename


def _unquoted(text: str, charset: str) -> str | None:
    try:
        return unquote(text, encoding=charset, errors="strict")
    except UnicodeDecodeError:
        return None
