"""The frame protocol: what one side encodes the other decodes, and lies are seen early."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.supervisor.frames import (
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameDecoder,
    FrameError,
    Kind,
    decode_json,
    encode,
    encode_json,
)

frames = st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=300))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def header(kind: int, length: int) -> bytes:
    return struct.pack("!BI", kind, length)


class TestRoundTrip:
    @given(sent=st.lists(frames, max_size=8), piece_bytes=st.integers(1, 700))
    def test_frames_survive_any_chunking(self, sent: list[Frame], piece_bytes: int) -> None:
        stream = b"".join(encode(*frame) for frame in sent)
        decoder = FrameDecoder()

        received = [
            frame
            for start in range(0, len(stream), piece_bytes)
            for frame in decoder.feed(stream[start : start + piece_bytes])
        ]

        assert received == sent
        assert not decoder.pending

    @given(st.dictionaries(st.text(), json_values, max_size=5))
    def test_control_frames_carry_any_json_object(self, fields: dict[str, object]) -> None:
        (frame,) = FrameDecoder().feed(encode_json(Kind.SUMMARY, fields))

        assert decode_json(frame) == fields

    def test_a_payload_of_the_largest_size_passes(self) -> None:
        payload = bytes(MAX_PAYLOAD_BYTES)

        assert list(FrameDecoder().feed(encode(Kind.DATA, payload))) == [(Kind.DATA, payload)]

    def test_an_empty_payload_is_a_frame(self) -> None:
        assert list(FrameDecoder().feed(encode(Kind.RUN))) == [(Kind.RUN, b"")]

    def test_one_byte_too_many_cannot_be_sent(self) -> None:
        with pytest.raises(FrameError):
            encode(Kind.DATA, bytes(MAX_PAYLOAD_BYTES + 1))


class TestHostileBytes:
    @pytest.mark.parametrize("length", [MAX_PAYLOAD_BYTES + 1, 2**31, 2**32 - 1])
    def test_a_length_over_the_limit_is_refused_from_the_header_alone(
        self, length: int
    ) -> None:
        with pytest.raises(FrameError, match=str(length)):
            list(FrameDecoder().feed(header(Kind.DATA, length)))

    @pytest.mark.parametrize("code", sorted(set(range(256)) - set(Kind)))
    def test_an_unknown_kind_is_refused_from_the_header_alone(self, code: int) -> None:
        with pytest.raises(FrameError, match=f"kind {code}"):
            list(FrameDecoder().feed(header(code, 100)))

    def test_good_frames_before_a_bad_one_are_still_delivered(self) -> None:
        decoder = FrameDecoder()
        received: list[Frame] = []

        with pytest.raises(FrameError):
            received.extend(decoder.feed(encode(Kind.STDOUT, b"said") + header(0, 0)))

        assert received == [(Kind.STDOUT, b"said")]

    @given(st.binary(max_size=2_000))
    def test_noise_makes_frames_or_a_frame_error_and_nothing_else(self, noise: bytes) -> None:
        decoder = FrameDecoder()
        try:
            received = list(decoder.feed(noise))
        except FrameError:
            return

        decoded = sum(5 + len(frame.payload) for frame in received)
        assert decoder.pending == (decoded < len(noise))

    def test_a_stream_of_many_frames_is_never_held_whole(self) -> None:
        frame = encode(Kind.DATA, bytes(MAX_PAYLOAD_BYTES))
        decoder = FrameDecoder()
        tracemalloc.start()
        try:
            for _ in range(20):
                for start in range(0, len(frame), 65_536):
                    for _ in decoder.feed(frame[start : start + 65_536]):
                        pass
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert peak_bytes < 4 * MAX_PAYLOAD_BYTES

    def test_half_a_frame_is_pending(self) -> None:
        decoder = FrameDecoder()

        assert list(decoder.feed(encode(Kind.DATA, b"abc")[:-1])) == []
        assert decoder.pending


class TestControlFrames:
    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"[]",
            b'"text"',
            b"null",
            b"{",
            b"{}{}",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"n":' + b"9" * 5_000 + b"}",
        ],
        ids=[
            "empty",
            "array",
            "string",
            "null",
            "unfinished",
            "two-objects",
            "invalid-utf-8",
            "deeply-nested",
            "number-of-5000-digits",
        ],
    )
    def test_what_is_not_one_json_object_is_refused(self, payload: bytes) -> None:
        with pytest.raises(FrameError, match="ENDED"):
            decode_json(Frame(Kind.ENDED, payload))
