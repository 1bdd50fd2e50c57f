"""What a client may call a file: rules and wording of librechat-contract 2.2."""

import re
import unicodedata
from collections.abc import Iterator

from api.errors import BadRequestError

MAX_NAME_CHARS = 256
MAX_NAME_LEVELS = 10
MAX_SEGMENT_BYTES = 255
"""NAME_MAX of Linux: a longer one could be stored, but never be put into a sandbox."""

_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""They disguise a name's ending (CVE-2021-42574)."""


def check_file_name(name: str) -> None:
    """Accept a canonical relative path, as `reports/q1/data.csv`.

    Raises:
        BadRequestError: It is none. First failure wins, in the contract's order.
    """
    for failed, problem in _failures(name):
        if failed:
            raise BadRequestError(f"files[].name {problem}")


def _failures(name: str) -> Iterator[tuple[bool, str]]:
    """Ask one question at a time: the costly ones never meet a name of megabytes."""
    yield name in {"", "."}, "must not be empty"
    yield len(name) > MAX_NAME_CHARS, f"must not exceed {MAX_NAME_CHARS} characters"
    yield "\0" in name or "\\" in name, "contains invalid path characters"
    yield name.startswith("/"), "must be a relative path"
    segments = name.split("/")
    yield (
        not {"", ".", ".."}.isdisjoint(segments),
        "must not contain empty, current, or parent path segments",
    )
    yield (
        not (_is_visible(name) and all(map(_fits_a_directory, segments))),
        "must be canonical and file-like",
    )
    yield (
        len(segments) > MAX_NAME_LEVELS,
        f"exceeds maximum nesting depth of {MAX_NAME_LEVELS}",
    )


def _is_visible(name: str) -> bool:
    """Control characters forge log lines; lone surrogates are not UTF-8."""
    return not _BIDI_CONTROLS.search(name) and not any(
        unicodedata.category(character) in {"Cc", "Cs"} for character in name
    )


def _fits_a_directory(segment: str) -> bool:
    return len(segment.encode(errors="surrogatepass")) <= MAX_SEGMENT_BYTES
