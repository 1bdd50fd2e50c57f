"""What an executor may ask of a Docker engine: the calls that it makes, and no others.

A path alone says little: `POST /containers/create` makes a sandbox, or a container that has the
host's disk. So bodies are held against what this executor's own settings make of them
(`docker_spec`): the same image, limits and barriers, to the letter.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from executor.docker_spec import (
    ASSETS_ROLE,
    OWNER_LABEL,
    ROLE_LABEL,
    container_spec,
    filler_spec,
    owner_filter,
)
from executor.policy import SandboxPolicy

UIDS = range(200_000, 260_000)
"""One for each container, so that the kernel's per-user limits and checks keep neighbours
apart even where a mount or a process namespace is shared by mistake."""

_VERSION = re.compile(r"^/v1\.[0-9]{1,3}(?=/)")
_CONTAINER = r"/containers/code-command-[0-9a-f]{16}"
_VOLUME_TAIL = r"-[0-9a-f]{16}(?:-filled)?"
_NAMED = re.compile(r"code-command-[0-9a-f]{16}")
_WITHOUT_BODY = re.compile(
    rf"(?:GET (?:/_ping|/version|/volumes|{_CONTAINER}/json)"
    rf"|POST {_CONTAINER}/(?:attach|start|pause|unpause|wait)"
    rf"|DELETE {_CONTAINER})"
)
_WITHOUT_QUERY = re.compile(rf"GET {_CONTAINER}/json|POST {_CONTAINER}/(?:start|pause|unpause)")
"""With one, `start` would restore a container from a folder of the host (`checkpoint-dir`)."""
_ARCHIVE = re.compile(rf"PUT {_CONTAINER}/archive")
_UPDATE = re.compile(rf"POST {_CONTAINER}/update")


class AllowedCalls:
    """Judges the requests of one executor."""

    def __init__(self, policy: SandboxPolicy, *, owner: str, most_memory_bytes: int) -> None:
        self._policy = policy
        self._owner = owner
        self._most_memory_bytes = most_memory_bytes
        self._volume = re.compile(re.escape(f"code-command-shared-{owner}") + _VOLUME_TAIL)

    def allows(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> bool:
        """Say whether the executor's own code would make this request.

        Args:
            method: As in the request's first line.
            path: Without the query; nothing in it is decoded, since no name needs that.
            query: Its parameters, decoded. One that is given twice is not to come here.
            body: All of it.
        """
        path = _VERSION.sub("", path, count=1)
        call = f"{method} {path}"
        if _WITHOUT_BODY.fullmatch(call):
            # docker-py sends `{}` with some of them; `start` took settings in a body once.
            is_bare = not query or _WITHOUT_QUERY.fullmatch(call) is None
            return is_bare and body in {b"", b"{}"}
        if call == f"GET /images/{self._policy.image}/json":
            return not body
        if _ARCHIVE.fullmatch(call):
            return True
        if call == "GET /containers/json":
            return not body and _json(query.get("filters", "")) == {
                "label": owner_filter(self._owner)
            }
        if method == "DELETE" and path.startswith("/volumes/"):
            name = path.removeprefix("/volumes/")
            return not body and self._volume.fullmatch(name) is not None
        return self._allows_body(call, query, _json(body))

    def _allows_body(self, call: str, query: Mapping[str, str], body: Any) -> bool:
        if not isinstance(body, dict):
            return False
        if call == "POST /containers/create":
            named = _NAMED.fullmatch(query.get("name", "")) is not None
            return named and set(query) == {"name"} and self._is_ours(body)
        if call == "POST /volumes/create":
            labels = {ROLE_LABEL: ASSETS_ROLE, OWNER_LABEL: self._owner}
            # With options of a driver a volume may be any folder of the host.
            return set(body) <= {"Name", "Labels"} and (
                body.get("Labels") == labels and self._is_volume(body.get("Name"))
            )
        if _UPDATE.fullmatch(call):
            is_known = set(body) == {"Memory", "MemorySwap"} and not query
            return is_known and self._is_memory(body)
        return False

    def _is_ours(self, body: dict[str, Any]) -> bool:
        """Say whether it is a sandbox, or the container that fills a volume, to the letter."""
        mounts = body.get("HostConfig", {}).get("Mounts") or [{}]
        volume = str(mounts[0].get("Source"))
        if not self._is_volume(volume):
            return False
        filler = filler_spec(image=self._policy.image, owner=self._owner, volume=volume)
        uid = str(body.get("User", "")).partition(":")[0]
        if body == filler:
            return True
        return (
            re.fullmatch("[0-9]{6}", uid) is not None
            and int(uid) in UIDS
            and body
            == container_spec(
                self._policy, uid=int(uid), owner=self._owner, shared_volume=volume
            )
        )

    def _is_volume(self, name: Any) -> bool:
        return isinstance(name, str) and self._volume.fullmatch(name) is not None

    def _is_memory(self, body: dict[str, Any]) -> bool:
        memory = body["Memory"]
        return (
            type(memory) is int
            and 0 < memory <= self._most_memory_bytes
            and body["MemorySwap"] == memory
        )


def _json(text: bytes | str) -> Any:
    """Read what the engine is going to read as well, in the same way; else nothing.

    Of two values with one name the engine's Go makes one, with what is in either, where Python
    has the last alone: so what is judged would not be what is done.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found
