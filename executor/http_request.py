"""One HTTP request from a stream, strictly: what is unusual is refused, not interpreted."""

import asyncio
import re
from dataclasses import dataclass

MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 1024 * 1024
"""Of what is judged: some KB are usual. An archive is not read here."""

_FIRST_LINE = re.compile(
    r"(?P<method>GET|HEAD|POST|PUT|DELETE) (?P<path>/[A-Za-z0-9._:/-]*)"
    r"(?:\?(?P<query>[A-Za-z0-9._~%+=&*:/,-]*))? HTTP/1\.1"
)
_HEADER = re.compile(r"(?P<name>[A-Za-z0-9-]+):[ \t]*(?P<value>[\x20-\x7e]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,9}")


class MalformedRequestError(Exception):
    """It is no request that our own client makes."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, with all of its body unless that is an archive."""

    method: str
    path: str
    """Without the query. Nothing in it is escaped: no name of ours needs that."""
    query: str
    body: bytes
    unread_bytes: int
    """What is still to come: the body of a PUT, which may be large."""
    content_type: str
    upgrades: bool
    """Whether the connection is to become a stream of bytes, as an attached one is."""

    def head(self) -> bytes:
        """Return the head as it goes on: written anew, with nothing that was not read."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1", "Host: docker"]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        if self.method in {"POST", "PUT"} or self.body:
            lines.append(f"Content-Length: {len(self.body) + self.unread_bytes}")
        lines += (
            ["Connection: Upgrade", "Upgrade: tcp"] if self.upgrades else ["Connection: close"]
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Read one request; none if the connection ends before it begins.

    Raises:
        MalformedRequestError: It is not one, is too long, or ends in the middle.
    """
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    except asyncio.IncompleteReadError as fault:
        if not fault.partial:
            return None
        raise MalformedRequestError("it ends in its head") from fault
    except (asyncio.LimitOverrunError, UnicodeDecodeError) as fault:
        raise MalformedRequestError("its head is too long, or not ASCII") from fault
    if len(text) > MOST_HEAD_BYTES:
        raise MalformedRequestError("its head is too long")
    first, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
    found = _FIRST_LINE.fullmatch(first)
    if found is None:
        raise MalformedRequestError("its first line is unusual")
    headers = _headers(lines)
    is_archive = found["method"] == "PUT"
    length = _length(headers)
    return HttpRequest(
        method=found["method"],
        path=found["path"],
        query=found["query"] or "",
        body=b"" if is_archive else await _body(reader, length),
        unread_bytes=length if is_archive else 0,
        content_type=headers.get("content-type", ""),
        upgrades=headers.get("upgrade", "").lower() == "tcp",
    )


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        name = found["name"].lower() if found else ""
        if found is None or name in headers:
            raise MalformedRequestError("a header is unusual, or there twice")
        headers[name] = found["value"]
    if "transfer-encoding" in headers:
        raise MalformedRequestError("its body has no length")
    return headers


def _length(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "0")
    if _LENGTH.fullmatch(length) is None:
        raise MalformedRequestError("its body has a doubtful length")
    return int(length)


async def _body(reader: asyncio.StreamReader, length: int) -> bytes:
    if length > MOST_BODY_BYTES:
        raise MalformedRequestError("its body is too long")
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as fault:
        raise MalformedRequestError("it ends in its body") from fault
