"""Streams that were valid, before something happened to them."""

from hypothesis import strategies as st

MAX_MUTATIONS = 4


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """A valid stream in which bytes were changed, lost, added, repeated or cut off."""
    stream = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, MAX_MUTATIONS))):
        start = draw(st.integers(0, len(stream)))
        end = min(len(stream), start + draw(st.integers(0, 12)))
        match draw(st.sampled_from(["change", "lose", "add", "repeat", "cut"])):
            case "change":
                stream[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
            case "lose":
                del stream[start:end]
            case "add":
                stream[start:start] = draw(st.binary(max_size=12))
            case "repeat":
                stream[start:start] = stream[start:end]
            case _:
                del stream[start:]
    return bytes(stream)


@st.composite
def pieces_of(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream in pieces, cut anywhere, however often."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    return [
        stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
