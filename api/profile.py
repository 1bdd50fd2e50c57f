"""The execution profile that this server is: `default`, always (librechat-contract 2.0)."""

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.status_codes import HTTP_400_BAD_REQUEST, HTTP_409_CONFLICT
from litestar.types import Message, Scope

from api.auth import PUBLIC, Connection
from api.errors import Answer, ApiError

PROFILE = "default"
PROFILE_HEADER = "X-CodeAPI-Execution-Profile"
OTHER_PROFILES = frozenset({"stateful"})


async def name_profile(message: Message, _scope: Scope) -> None:
    """Put the profile on every response (a Litestar `before_send` hook)."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers[PROFILE_HEADER] = PROFILE


async def require_profile(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a client that means another server (a Litestar guard).

    The newest client tells its model never to retry after the 409.

    Raises:
        ApiError: It expects a profile that this server is not.
    """
    if handler.opt.get(PUBLIC):
        return
    headers: Headers = connection.headers
    expected = headers.getall("x-codeapi-expected-profile", [])
    if not expected or expected == [PROFILE]:
        return
    if len(expected) == 1 and expected[0] in OTHER_PROFILES:
        raise ApiError(
            Answer(
                HTTP_409_CONFLICT,
                "execution_profile_mismatch",
                f"Expected the {expected[0]} execution profile, but reached {PROFILE}",
                more={"expected_profile": expected[0], "actual_profile": PROFILE},
            )
        )
    raise ApiError(
        Answer(
            HTTP_400_BAD_REQUEST,
            "invalid_execution_profile",
            more={"expected_profile": ", ".join(expected)[:128], "actual_profile": PROFILE},
        )
    )
