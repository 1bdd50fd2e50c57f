"""Session and file ids."""

import re
import secrets
import string

from storage.records import ID_PATTERN

ID_LENGTH = 21
_ALPHABET = string.ascii_letters + string.digits + "_-"
_ID = re.compile(ID_PATTERN)


def new_id() -> str:
    """Return an id that nobody can guess: 126 random bits, in the shape of `ID_PATTERN`."""
    # 64 characters: six bits of a random byte pick one of them, without bias.
    return "".join(_ALPHABET[byte & 63] for byte in secrets.token_bytes(ID_LENGTH))


def is_id(text: str) -> bool:
    """Say whether `text` has the shape of an id; whatever has not names nothing."""
    return _ID.fullmatch(text) is not None
