"""Who is calling, from the credentials alone (librechat-contract 5.4)."""

import base64
import binascii
import re
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler

from api.auth_errors import (
    KeyInvalidError,
    KeyMissingError,
    NotLetInError,
    TokenInvalidError,
    TokenMissingError,
)
from api.caller import KEY_LABEL, Caller
from api.key_file import KeyFile, key_digest
from api.keyring import Keyring
from api.local_mode import local_caller
from api.settings import ApiSettings
from api.token_verifier import TokenVerifier

PUBLIC = "public"
"""Route option: this route answers without credentials."""

_USER_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")

Connection = ASGIConnection[Any, Any, Any, Any]


class Authenticator:
    """Knows every key and how to verify a token."""

    def __init__(self, settings: ApiSettings) -> None:
        path = settings.code_api_keys_file
        self._keyring = Keyring(settings.api_keys, KeyFile(path) if path else None)
        self._tokens = TokenVerifier(settings) if settings.tokens_are_wanted else None
        self._is_local = settings.local_mode
        self._allowed_origins = settings.allowed_origins

    def caller(self, headers: Headers) -> Caller:
        """Return who sent a request with these `headers`.

        A token decides where there is one, also beside a key: LibreChat's newest sends both.
        Where no token can be verified because none is configured, it is not looked at.

        Raises:
            KeyMissingError, TokenMissingError: They hold no credentials.
            KeyInvalidError: They hold a key that is not ours.
            TokenInvalidError, TokensMisconfiguredError: See `TokenVerifier.caller`.
            ForeignPageError: See `api.local_mode`.
        """
        if self._is_local:
            return local_caller(headers, self._allowed_origins)
        if self._tokens is not None and (token := _token(headers)) is not None:
            return self._tokens.caller(token)
        candidates = _keys(headers)
        if not candidates:
            raise KeyMissingError if self._tokens is None else TokenMissingError
        owners = [(self._keyring.owner(candidate), candidate) for candidate in candidates]
        owner, key = next((found for found in owners if found[0] is not None), (None, ""))
        if owner is None:
            raise KeyInvalidError
        user = headers.get("user-id", "")
        named = _USER_ID.fullmatch(user) and not user.startswith(KEY_LABEL)
        return Caller(
            tenant=owner.tenant,
            user=user if named else owner.label,
            auth_context=f"key:{key_digest(key)}",
            memory_class=owner.memory_class,
            rates=owner.rates,
        )


async def require_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let nobody in without credentials, except on public routes (a Litestar guard).

    Litestar takes a thread for every guard that is not a coroutine, 0.1 ms each time.

    Raises:
        NotLetInError: See `Authenticator.caller`.
    """
    if not handler.opt.get(PUBLIC):
        identify(connection)


def identify(connection: Connection) -> Caller:
    """Return who is calling, and remember it on the connection.

    Raises:
        NotLetInError: See `Authenticator.caller`.
    """
    authenticator: Authenticator = connection.app.state.authenticator
    caller = authenticator.caller(connection.headers)
    connection.scope["user"] = caller
    return caller


def _token(headers: Headers) -> str | None:
    """Return the Bearer token; `None` if there is none.

    Raises:
        TokenInvalidError: There are several: a proxy in front may have looked at another.
    """
    tokens = [
        value.partition(" ")[2].strip()
        for value in headers.getall("authorization", [])
        if value.partition(" ")[0].lower() == "bearer"
    ]
    if len(tokens) > 1:
        raise TokenInvalidError("several")
    return tokens[0] if tokens else None


def _keys(headers: Headers) -> tuple[str, ...]:
    keys = headers.getall("x-api-key", [])
    if len(keys) > 1:
        return ("",)  # A proxy in front may have looked at another.
    if any(keys):
        return tuple(keys)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ("",)  # There are credentials, and they are no key.
    # A client given `http://KEY@host` sends the key with no colon, or with an empty password.
    return (decoded.partition(":")[0], decoded)


__all__ = [
    "PUBLIC",
    "Authenticator",
    "Connection",
    "NotLetInError",
    "identify",
    "require_key",
]
