"""Under which keys a tenant's sessions and saved workspaces lie."""

import re

from storage.ids import is_id

_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATE = re.compile(r"[0-9a-f]{64}")


def is_tenant(tenant: str) -> bool:
    """Whether `tenant` is 1 to 64 of `A-Za-z0-9_-`."""
    return _TENANT.fullmatch(tenant) is not None


def require_tenant(tenant: str) -> None:
    """Raise `ValueError` unless `tenant` is 1 to 64 of `A-Za-z0-9_-`.

    It comes from configuration or from a verified token. Nothing in such a name can reach
    out of the tenant's own folder.
    """
    if not is_tenant(tenant):
        raise ValueError(f"not a tenant's name: {tenant!r}")


def session_folder(tenant: str, session_id: str) -> str:
    """Return the prefix of everything that a session holds; it ends with `/`.

    Raises:
        ValueError: `tenant` is not a tenant's name, or `session_id` is not an id.
    """
    require_tenant(tenant)
    if not is_id(session_id):
        raise ValueError(f"not a session's id: {session_id!r}")
    return f"{tenant}/{session_id}/"


def record_key(tenant: str, session_id: str) -> str:
    """Return the key of the session's record."""
    return f"{session_folder(tenant, session_id)}record.json"


def file_key(tenant: str, session_id: str, file_id: str) -> str:
    """Return the key of a file's bytes.

    Raises:
        ValueError: `file_id` is not an id, or as `session_folder`.
    """
    if not is_id(file_id):
        raise ValueError(f"not a file's id: {file_id!r}")
    return f"{session_folder(tenant, session_id)}files/{file_id}"


def state_key(tenant: str, name: str) -> str:
    """Return the key of a saved workspace.

    No session's folder is called `states`: an id has 21 characters.

    Raises:
        ValueError: `tenant` is not a tenant's name, or `name` not 64 hexadecimal digits.
    """
    require_tenant(tenant)
    if not _STATE.fullmatch(name):
        raise ValueError(f"not a workspace's name: {name!r}")
    return f"{tenant}/states/{name}"
