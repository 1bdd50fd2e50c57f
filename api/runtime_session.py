"""Which workspace a run finds and leaves (librechat-contract 3.8)."""

import re
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from api.caller import Caller
from api.errors import BadRequestError
from api.json_object import is_text, read_text
from storage.states import state_name

MAX_HINT_CHARS = 128
_HINT = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSession:
    """A workspace that is kept between runs."""

    id: str
    """As clients are told: `rt_` and 40 hexadecimal digits."""
    state: str
    """Where it is kept; see `storage.states.state_name`."""


def find_runtime_session(
    caller: Caller, hint: msgspec.Raw, entity_id: msgspec.Raw, *, is_required: bool
) -> RuntimeSession | None:
    """Return the workspace that a request names; `None` if it names none.

    Args:
        caller: Whose it is.
        hint: `runtime_session_hint` of the body.
        entity_id: What older clients send instead. It names an agent, and whoever talks to it
            has the same one: it counts only where it is known which user that is.
        is_required: Whether a request must have a hint.

    Raises:
        BadRequestError: The hint is none, or is missing.
    """
    name = _checked(read_text(hint, "runtime_session_hint"))
    if name is None and caller.user_is_known:
        name = _entity(entity_id)
    if name is None:
        if is_required:
            raise BadRequestError("runtime_session_hint is required in strict mode")
        return None
    public = f"{caller.tenant}\0{caller.user}\0{name}".encode("utf-8", "surrogatepass")
    return RuntimeSession(
        id=f"rt_{sha256(public).hexdigest()[:40]}",
        state=state_name(user=caller.user, user_is_proven=caller.user_is_proven, hint=name),
    )


def _checked(hint: str | None) -> str | None:
    if hint is None:
        return None
    if len(hint) > MAX_HINT_CHARS:
        raise BadRequestError("runtime_session_hint must be at most 128 characters")
    if not _HINT.fullmatch(hint):
        raise BadRequestError(
            'runtime_session_hint may only contain letters, digits, ".", "_", ":", and "-"'
        )
    return hint


def _entity(field: msgspec.Raw) -> str | None:
    """Read an `entity_id`; what is none never mattered to `/exec`, and is no error now."""
    text = read_text(field, "entity_id") if is_text(field) else None
    is_name = text is not None and len(text) <= MAX_HINT_CHARS and _HINT.fullmatch(text)
    return text if is_name else None
