"""For whom a session is, and who may use it (librechat-contract 2.0, 3.2, 5.4 and 7.3).

Another tenant's session is not looked at here: it does not exist for the caller. Within the
tenant, what an agent or a skill was given is everybody's who knows its id (and version); the
rest is the user's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.caller import Caller
from api.errors import BadRequestError, ForbiddenError
from storage.records import Scope, SessionRecord

KINDS = ("skill", "agent", "user")
SHARED_KINDS = frozenset({"skill", "agent"})

RESOURCE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

NAMELESS = "key:"
"""How `Caller.user` begins for a key that came without a `User-Id`."""

_VERSION = re.compile(r"-?[0-9]{1,15}")
_FOREIGN = "It exists, and is not for you: ask with the kind, id and version it was made for."


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedScope:
    """Whose a client says that a session is; every part may be left out."""

    kind: str | None = None
    """`None`: not said, as older clients do."""
    id: str | None = None
    version: int | None = None
    entity_id: str | None = None
    """An agent's or a skill's id, its kind unknown: older clients' way to name an owner."""

    def recorded(self) -> Scope:
        """Return what is recorded of a session that is made for this scope."""
        kind = self.kind or "user"
        # A user's own id comes from the credentials; the given one is ignored.
        return Scope(
            kind=kind,
            id=self.id if kind in SHARED_KINDS else None,
            version=self.version,
            entity_id=self.entity_id,
        )


def read_scope(fields: Mapping[str, str | None]) -> AskedScope:
    """Read a scope from the fields of a form or of a query; empty ones count as absent.

    Raises:
        BadRequestError: They contradict each other; first failure wins, in the contract's
            order and words.
    """
    kind = fields.get("kind") or None
    # The id of a user is ignored, whatever it is: the credentials have the caller's own.
    given_id = fields.get("id") or None if kind in SHARED_KINDS else None
    version, entity_id = fields.get("version") or None, fields.get("entity_id") or None
    check_kind(kind)
    if kind in SHARED_KINDS and given_id is None:
        raise BadRequestError(f"id is required for kind: '{kind}'")
    if kind == "skill" and version is not None and not _VERSION.fullmatch(version):
        raise BadRequestError("version must be a number for kind: 'skill'")
    check_version(kind, is_given=version is not None)
    for name, value in (("id", given_id), ("entity_id", entity_id)):
        if value is not None and not RESOURCE_ID.fullmatch(value):
            raise BadRequestError(f"{name} is invalid")
    return AskedScope(
        kind=kind,
        id=given_id,
        version=int(version) if version is not None else None,
        entity_id=entity_id,
    )


def check_kind(kind: str | None, *, where: str = "") -> None:
    """Refuse a kind that is none (librechat-contract 2.0).

    Raises:
        BadRequestError: The text begins with `where`.
    """
    if kind is not None and kind not in KINDS:
        raise BadRequestError(f"{where}kind must be one of: {', '.join(KINDS)}")


def check_version(kind: str | None, *, is_given: bool, where: str = "") -> None:
    """Refuse a skill without a version, and a version of anything else.

    Raises:
        BadRequestError: The text begins with `where`.
    """
    if kind == "skill" and not is_given:
        raise BadRequestError(f"{where}version is required for kind: 'skill'")
    if kind != "skill" and is_given:
        raise BadRequestError(f"{where}version is only valid for kind: 'skill'")


def require_use(
    caller: Caller, record: SessionRecord, asked: AskedScope, *, error: str = "Unauthorized"
) -> None:
    """Let only those at a session for whom it is.

    Raises:
        ForbiddenError: With `error`, the contract's word for the route.
    """
    if not _may_use(caller, record, asked):
        raise ForbiddenError(error, _FOREIGN)


def _may_use(caller: Caller, record: SessionRecord, asked: AskedScope) -> bool:
    scope = record.scope
    if asked.kind in SHARED_KINDS and asked.id is not None:
        return asked.id == scope.entity_id or (asked.kind, asked.id, asked.version) == (
            scope.kind,
            scope.id,
            scope.version,
        )
    if asked.kind in SHARED_KINDS:  # Whose it is says the kind alone: not enough to share it.
        fits = scope.entity_id is not None or scope.kind == asked.kind
        return fits and _is_own(caller, record)
    if asked.kind == "user":
        return scope.kind == "user" and _is_own(caller, record)
    named = {scope.entity_id, scope.id if scope.kind == "agent" else None} - {None}
    return asked.entity_id in named or _is_own(caller, record)


def _is_own(caller: Caller, record: SessionRecord) -> bool:
    """Say whether the caller counts as the one who made a session.

    With a key, every session of the tenant does, since who holds its id has been told it:
    LibreChat's runs do not say for which user they are (librechat-contract 5.4). A proven
    user's are those made in his name, with a token or with a key and a `User-Id`; and those
    that a key made in nobody's, which are protected by their ids alone.
    """
    return (
        not caller.user_is_proven
        or record.user == caller.user
        or record.user.startswith(NAMELESS)
    )
