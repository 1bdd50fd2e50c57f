"""What is fuzzed. Each target takes any bytes, and fails where a promise does not hold.

A refusal in the words that the code documents is a good answer. Whatever else is raised is a
finding, and so is an answer that a plain reading of the format does not give.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from api.errors import ApiError, BadRequestError, PayloadTooLargeError
from api.multipart_form import MAX_FIELD_BYTES, FilePart, boundary_of, form_parts
from api.names import check_file_name
from executor.claims import (
    MAX_INPUTS,
    EndedClaim,
    HelloClaim,
    OutputClaim,
    PreloadedClaim,
    RefusedClaim,
    SummaryClaim,
    read_claim,
)
from executor.sandbox import SandboxLostError
from sandbox.supervisor.frames import (
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameDecoder,
    FrameError,
    Kind,
    decode_json,
)
from sandbox.supervisor.skips import MAX_NAMED_SKIPS
from tests.fuzz.plain_readings import is_name, is_path, is_shown, read_frames

ResultT = TypeVar("ResultT")
Target = Callable[[bytes], None]

BOUNDARY = "b0undary"

CLAIMS = (
    (HelloClaim, Kind.HELLO),
    (PreloadedClaim, Kind.PRELOADED),
    (EndedClaim, Kind.ENDED),
    (OutputClaim, Kind.OUTPUT),
    (SummaryClaim, Kind.SUMMARY),
    (RefusedClaim, Kind.REFUSED),
)


def frames(data: bytes) -> None:
    """The first byte says how large the pieces are in which the rest arrives."""
    piece_bytes, stream = 1 + sum(data[:1]), data[1:]
    decoder = FrameDecoder()
    received: list[Frame] = []
    is_refused = False
    try:
        for start in range(0, len(stream), piece_bytes):
            received.extend(decoder.feed(stream[start : start + piece_bytes]))
    except FrameError:
        is_refused = True

    reading = read_frames(stream, kinds=set(Kind), max_payload_bytes=MAX_PAYLOAD_BYTES)
    assert received == reading.frames
    assert is_refused == reading.is_broken
    assert is_refused or decoder.pending == bool(reading.rest)
    for frame in received:
        try:
            decode_json(frame)
        except FrameError:
            continue


def claims(data: bytes) -> None:
    """The first byte says which control frame the rest is the payload of."""
    model, kind = CLAIMS[sum(data[:1]) % len(CLAIMS)]
    try:
        claim = read_claim(model, Frame(kind, data[1:]))
    except SandboxLostError:
        return
    match claim:
        case EndedClaim():
            assert claim.exit_code is None or claim.exit_code in range(256)
            assert claim.signal is None or is_shown(claim.signal)
        case OutputClaim():
            assert is_path(claim.name)
            assert claim.size >= 0
        case SummaryClaim():
            assert max(len(claim.unchanged), len(claim.deleted)) <= MAX_INPUTS
            assert all(map(is_path, claim.unchanged + claim.deleted))
            assert len(claim.skipped) <= MAX_NAMED_SKIPS
            assert all(is_shown(skipped.name) for skipped in claim.skipped_files())
            assert sum(claim.counts().values()) >= claim.skipped_count
        case PreloadedClaim():
            assert all(map(is_shown, claim.modules))
        case RefusedClaim():
            assert is_shown(claim.reason)
        case _:
            assert isinstance(claim, HelloClaim)


def multipart(data: bytes) -> None:
    """The first byte says how large the pieces are. Whole, the form has the same parts."""
    piece_bytes, body = 1 + sum(data[:1]), data[1:]
    in_pieces = finished(_form(body, piece_bytes))
    whole = finished(_form(body, max(1, len(body))))

    # Whether a malformed form is refused depends on where it is cut: the parser (2.0.1) sees a
    # bare line feed in a header, and text before the first boundary, only within a piece.
    assert in_pieces == whole or not (isinstance(in_pieces, list) and isinstance(whole, list))


async def _form(body: bytes, piece_bytes: int) -> list[tuple[str, str, bytes]] | type[ApiError]:
    """Return what the parts are, or how the form is refused."""
    parts: list[tuple[str, str, bytes]] = []
    try:
        async for part in form_parts(_pieces(body, piece_bytes), BOUNDARY):
            if isinstance(part, FilePart):
                content = b"".join([chunk async for chunk in part.chunks])
                part.filename.encode("utf-8", "surrogatepass")
                parts.append(("file", part.filename, content))
            else:
                assert len(part.value) <= MAX_FIELD_BYTES
                parts.append(("field", part.name, part.value.encode()))
    except (BadRequestError, PayloadTooLargeError) as refusal:
        return type(refusal)
    assert sum(len(content) for kind, _, content in parts if kind == "file") <= len(body)
    return parts


async def _pieces(body: bytes, piece_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), piece_bytes):
        yield body[start : start + piece_bytes]


def boundaries(data: bytes) -> None:
    """The value of `Content-Type`, as a server hands it over."""
    try:
        boundary = boundary_of(data.decode("latin-1"))
    except BadRequestError:
        return
    assert 0 < len(boundary) <= 200
    assert boundary.isascii()


def names(data: bytes) -> None:
    """A file name of whatever a client manages to send; bytes that are no UTF-8 included."""
    name = data.decode("utf-8", "surrogateescape")
    try:
        check_file_name(name)
    except BadRequestError:
        is_accepted = False
    else:
        is_accepted = True

    assert is_accepted == is_name(name)


def finished(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Carry out what never has to wait, without the event loop, which would take most of it."""
    while True:
        try:
            waits_for = work.send(None)
        except StopIteration as end:
            return end.value
        assert waits_for is None, "it waits for something, and does not just pause"


TARGETS: Mapping[str, Target] = {
    "frames": frames,
    "claims": claims,
    "multipart": multipart,
    "boundaries": boundaries,
    "names": names,
}
