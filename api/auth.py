"""Who is calling, from the credentials alone (librechat-contract 5.4)."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler

from api.caller import Caller
from api.settings import ApiKey

PUBLIC = "public"
"""Route option: this route answers without a key."""

_USER_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")

Connection = ASGIConnection[Any, Any, Any, Any]


class UnauthorizedError(Exception):
    """The request's credentials open nothing."""


class KeyMissingError(UnauthorizedError):
    """There are none."""


class KeyInvalidError(UnauthorizedError):
    """They are not a key of ours."""


class Keyring:
    """Knows every key, and tells whose it is without saying how near a guess was."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._digests = tuple(
            (_digest(key.secret.get_secret_value()), key.tenant) for key in keys
        )

    def caller(self, headers: Headers) -> Caller:
        """Return who sent a request with these `headers`.

        `X-API-Key` decides where it is given; a Bearer token beside it is ignored.

        Raises:
            KeyMissingError: They hold no key.
            KeyInvalidError: They hold one that is not ours.
        """
        candidates = _candidates(headers)
        if not candidates:
            raise KeyMissingError
        tenants = [self._tenant_of(candidate) for candidate in candidates]
        tenant = next((tenant for tenant in tenants if tenant is not None), None)
        if tenant is None:
            raise KeyInvalidError
        user = headers.get("user-id", "")
        return Caller(tenant=tenant, user=user if _USER_ID.fullmatch(user) else f"key:{tenant}")

    def _tenant_of(self, candidate: str) -> str | None:
        """Compare with every key, by digest: time tells neither content nor length."""
        offered = _digest(candidate)
        owner: str | None = None
        for digest, tenant in self._digests:
            if hmac.compare_digest(offered, digest):
                owner = tenant
        return owner


def require_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let nobody in without a key, except on public routes (a Litestar guard).

    Raises:
        UnauthorizedError: See `Keyring.caller`.
    """
    if not handler.opt.get(PUBLIC):
        identify(connection)


def identify(connection: Connection) -> Caller:
    """Return who is calling, and remember it on the connection.

    Raises:
        UnauthorizedError: See `Keyring.caller`.
    """
    keyring: Keyring = connection.app.state.keyring
    caller = keyring.caller(connection.headers)
    connection.scope["user"] = caller
    return caller


def _candidates(headers: Headers) -> tuple[str, ...]:
    if key := headers.get("x-api-key", ""):
        return (key,)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ("",)  # There are credentials, and they are no key.
    # A client given `http://KEY@host` sends the key with no colon, or with an empty password.
    return (decoded.partition(":")[0], decoded)


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
