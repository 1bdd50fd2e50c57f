"""Forms from a hostile client: however they are cut and broken, and what is held of them."""

import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.errors import BadRequestError, PayloadTooLargeError
from api.multipart_form import MAX_FIELD_BYTES, FilePart, FormField, form_parts
from tests.api.file_names import NAMES
from tests.api.service import field_part, file_part, multipart
from tests.fuzz.mutations import mutated, pieces_of
from tests.fuzz.targets import BOUNDARY, finished

MIB = 1024 * 1024

ResultT = TypeVar("ResultT")
Part = tuple[str, str, bytes]

CONTENTS = st.binary(max_size=80) | st.sampled_from(
    [b"\r\n", b"--b0undary", b"\r\n--b0undar", b"\r\n--", b"\r\n--b0undary-", b"a\r\n\r\nb"]
)
PLAIN_NAMES = NAMES.filter(lambda name: name.isprintable() and not set(name) & set('%"\\'))


def contains_delimiter(content: bytes) -> bool:
    return b"\r\n--b0undary" in b"\r\n" + content


FILES = st.tuples(
    st.just("file"), PLAIN_NAMES, CONTENTS.filter(lambda c: not contains_delimiter(c))
)
FIELDS = st.tuples(
    st.just("field"),
    st.sampled_from(["kind", "id", "version", "entity_id"]),
    st.text(st.characters(codec="utf-8"), max_size=30)
    .map(str.encode)
    .filter(lambda c: not contains_delimiter(c)),
)
PARTS = st.lists(FILES | FIELDS, max_size=5)

often = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def body_of(parts: list[Part]) -> bytes:
    encoded = [
        (file_part(name, "") if kind == "file" else field_part(name, "")).encode() + content
        for kind, name, content in parts
    ]
    return multipart(*encoded)


async def arriving(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(pieces: list[bytes]) -> list[Part]:
    found: list[Part] = []
    async for part in form_parts(arriving(pieces), BOUNDARY):
        if isinstance(part, FormField):
            found.append(("field", part.name, part.value.encode()))
        else:
            content = b"".join([chunk async for chunk in part.chunks])
            found.append(("file", part.filename, content))
    return found


@st.composite
def forms_in_pieces(draw: st.DrawFn) -> tuple[list[Part], list[bytes]]:
    parts = draw(PARTS.filter(bool))
    return parts, draw(pieces_of(st.just(body_of(parts))))


@often
@given(form=forms_in_pieces())
def test_a_form_is_what_was_sent_however_it_is_cut(
    form: tuple[list[Part], list[bytes]],
) -> None:
    sent, pieces = form

    assert finished(read(pieces)) == sent


@often
@given(pieces=pieces_of(mutated(PARTS.map(body_of)) | st.binary(max_size=200)))
def test_what_is_broken_is_refused_or_read_and_nothing_else(pieces: list[bytes]) -> None:
    try:
        parts = finished(read(pieces))
    except (BadRequestError, PayloadTooLargeError):
        return
    kept_bytes = sum(len(content) for kind, _, content in parts if kind == "file")
    assert kept_bytes <= sum(map(len, pieces))


class TestMemory:
    """A service of 150 MB takes uploads of gigabytes: nothing may be held whole."""

    SENT = 32 * MIB
    HELD = 2 * MIB

    @pytest.mark.parametrize("piece_bytes", [1_000, 65_536, 8 * MIB])
    def test_of_a_file_only_a_piece_is_held(self, piece_bytes: int) -> None:
        async def bodies() -> AsyncIterator[bytes]:
            yield b"--b0undary\r\n" + file_part("a.bin", "").encode()
            for _ in range(self.SENT // piece_bytes):
                yield bytes(piece_bytes)
            yield b"\r\n--b0undary--\r\n"

        async def receive() -> int:
            received = 0
            async for part in form_parts(bodies(), BOUNDARY):
                assert isinstance(part, FilePart)
                async for chunk in part.chunks:
                    received += len(chunk)
            return received

        received, peak_bytes = measured(receive)

        assert received == self.SENT // piece_bytes * piece_bytes
        # Two pieces: the one that is read is there until the next has come.
        assert peak_bytes < self.HELD + 2 * piece_bytes

    @pytest.mark.parametrize(
        "start",
        [
            b"--b0undary\r\n" + field_part("kind", "").encode(),
            b"--b0undary\r\nContent-Disposition: form-data; name=",
            b"--b0undary\r\n",
            b"--b0undary\r\nX-",
        ],
        ids=["field", "header", "header-line", "header-name"],
    )
    def test_what_has_no_place_on_disk_is_refused_before_it_is_held(self, start: bytes) -> None:
        async def bodies() -> AsyncIterator[bytes]:
            yield start
            for _ in range(self.SENT // 65_536):
                yield b"a" * 65_536

        async def receive() -> str:
            try:
                async for part in form_parts(bodies(), BOUNDARY):
                    assert isinstance(part, FormField)
            except PayloadTooLargeError:
                return "refused"
            return "read"

        outcome, peak_bytes = measured(receive)

        assert outcome == "refused"
        assert peak_bytes < self.HELD

    def test_ten_thousand_parts_are_refused_before_they_are_held(self) -> None:
        async def bodies() -> AsyncIterator[bytes]:
            for _ in range(10_000):
                yield b"--b0undary\r\n" + field_part("a", "x" * 1_000).encode() + b"\r\n"

        async def receive() -> str:
            try:
                count = 0
                async for part in form_parts(bodies(), BOUNDARY):
                    assert isinstance(part, FormField)
                    assert len(part.value) <= MAX_FIELD_BYTES
                    count += 1
            except PayloadTooLargeError:
                return "refused"
            return f"read {count}"

        outcome, peak_bytes = measured(receive)

        assert outcome == "refused"
        assert peak_bytes < self.HELD


def measured(work: Callable[[], Coroutine[Any, Any, ResultT]]) -> tuple[ResultT, int]:
    """Return what comes of it, and how many bytes were held at most meanwhile."""
    tracemalloc.start()
    try:
        return finished(work()), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
