"""The execution profiles that this server is (librechat-contract 2.0).

`stateful` keeps a workspace for each `runtime_session_hint`, `default` does not. A server that
is both is what a request expects; one that expects nothing gets a workspace if it names one.
"""

from typing import Literal

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.status_codes import HTTP_400_BAD_REQUEST, HTTP_409_CONFLICT
from litestar.types import Message, Scope

from api.auth import PUBLIC, Connection
from api.errors import Answer, ApiError
from api.settings import ServedProfiles

Profile = Literal["default", "stateful"]

PROFILE_HEADER = "X-CodeAPI-Execution-Profile"
PROFILES = frozenset({"default", "stateful"})

_PROFILE = "execution_profile"
"""Under which a request's own profile is kept in its scope."""


class Profiles:
    """What a server is, and what each request takes it for."""

    def __init__(self, served: ServedProfiles) -> None:
        self._served = served

    @property
    def usual(self) -> Profile:
        """What it says that it is, to who expects nothing."""
        return "stateful" if self._served == "stateful" else "default"

    def keeps_state(self, connection: Connection) -> bool:
        """Whether a run that names a workspace finds it."""
        expected = connection.scope["state"].get(_PROFILE)
        return self._served != "default" and expected != "default"

    def expects_state(self, connection: Connection) -> bool:
        """Whether it must name one, where that is a rule."""
        expected = connection.scope["state"].get(_PROFILE, self.usual)
        return expected == "stateful"

    def note_state(self, connection: Connection) -> None:
        """Have the answer say that a run was a stateful one."""
        connection.scope["state"][_PROFILE] = "stateful"

    async def name(self, message: Message, scope: Scope) -> None:
        """Put the profile on every response (a Litestar `before_send` hook)."""
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            headers[PROFILE_HEADER] = scope["state"].get(_PROFILE, self.usual)

    async def require(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Refuse a client that means another server (a Litestar guard).

        The newest client tells its model never to retry after the 409.

        Raises:
            ApiError: It expects a profile that this server is not.
        """
        if handler.opt.get(PUBLIC):
            return
        headers: Headers = connection.headers
        expected = headers.getall("x-codeapi-expected-profile", [])
        if not expected:
            return
        if len(expected) > 1 or expected[0] not in PROFILES:
            raise _invalid(expected, self.usual)
        if self._served not in {expected[0], "both"}:
            raise _mismatch(expected[0], self.usual)
        connection.scope["state"][_PROFILE] = expected[0]


def _invalid(expected: list[str], actual: Profile) -> ApiError:
    return ApiError(
        Answer(
            HTTP_400_BAD_REQUEST,
            "invalid_execution_profile",
            more={"expected_profile": ", ".join(expected)[:128], "actual_profile": actual},
        )
    )


def _mismatch(expected: str, actual: Profile) -> ApiError:
    return ApiError(
        Answer(
            HTTP_409_CONFLICT,
            "execution_profile_mismatch",
            f"Expected the {expected} execution profile, but reached {actual}",
            more={"expected_profile": expected, "actual_profile": actual},
        )
    )
