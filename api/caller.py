"""Who is calling, as the rest of the API sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from executor.messages import MemoryClass

KEY_LABEL = "key:"
"""How the user begins where a client with a key names none. None may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling. Decides what exists for them: another tenant's files do not."""

    tenant: str
    user: str
    """With a key: what the client says in `User-Id`, so never more than a label; files are then
    authorised by tenant and by possession of their ids (librechat-contract 5.4). With a token:
    its `sub`, which is proven."""
    user_is_proven: bool = False
    """Whether `user` comes from a verified token."""
    auth_context: str = ""
    """What else is proven: of a token, its `auth_context_hash`; of a key, which one it is. Only
    who proves the same may go on with a program that waits (librechat-contract 4.4)."""
    tenant_class: str = "key"
    """What figures tell callers apart by, since they name no tenant: `key`, `local`, `token`,
    or the plan of a token, where `CODEAPI_PLAN_LIMITS` names it."""
    memory_class: MemoryClass | None = None
    """How much memory this caller's programs get, where the key or the plan says so."""
    rates: Mapping[str, str] = field(default_factory=dict[str, str])
    """Rate limits of this key or plan, by bucket (`exec`, `upload`, `download`, `list`), as
    `20/30s`; buckets that are not named have the server's."""

    @property
    def user_is_known(self) -> bool:
        """Whether anybody is named: without a `User-Id`, everybody with a key is one user."""
        return self.user_is_proven or not self.user.startswith(KEY_LABEL)
