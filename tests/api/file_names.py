"""File names for properties: strange ones, and which of them are names (contract 2.2)."""

import unicodedata

from hypothesis import strategies as st

AWKWARD = st.sampled_from(
    [
        *"%\"';:=<>|?*&#+~$`!@^(){}[], .-_",
        "%41",
        "%2F",
        "%25",
        "..",
        "/",
        "//",
        "./",
        "\\",
        "\0",
        "\r\n",
        "\t",
        "\x7f",
        "\x85",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u2028",
        "\ufeff",
        "e\u0301",
        "é",
        "ß",
        "İ",
        "数据",
        "🙂",
        "CON",
        "x" * 100,
    ]
)
NAMES = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(AWKWARD, st.text(max_size=5)), max_size=8).map("".join),
    st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=12).map("/".join),
    st.integers(240, 270).map(lambda length: "n" * length),
    st.integers(80, 90).map(lambda length: "数" * length),
)

REASONS = {
    "files[].name must not be empty",
    "files[].name must not exceed 256 characters",
    "files[].name contains invalid path characters",
    "files[].name must be a relative path",
    "files[].name must not contain empty, current, or parent path segments",
    "files[].name must be canonical and file-like",
    "files[].name exceeds maximum nesting depth of 10",
}
"""What a refusal may say."""


def is_canonical(name: str) -> bool:
    """Say what the contract lets be a name, in other words than the code has (2.2)."""
    steps = name.split("/")
    return (
        0 < len(name) <= 256
        and len(steps) <= 10
        and all(step not in {"", ".", ".."} for step in steps)
        and all(len(step.encode()) <= 255 for step in steps)
        and not any(unicodedata.category(letter) == "Cc" for letter in name)
        and not set(name) & set("\\\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    )
