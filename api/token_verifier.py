"""LibreChat's tokens: who sent a request, as far as its signature proves it.

librechat-contract 5.3 has the claims. Parsing and cryptography are PyJWT's; what is checked
here is what it does not know of, or takes too lightly: it would accept a date that is a text.
"""

import math
import re
from hashlib import sha256
from typing import Any

import jwt

from api.auth_errors import TokenInvalidError, TokensMisconfiguredError
from api.caller import Caller
from api.token_keys import TokenKey, TokenKeys
from api.token_settings import Plan, TokenSettings
from storage.session_keys import is_tenant

MAX_TOKEN_CHARS = 8192
MAX_LIFETIME_S = 300
SKEW_S = 30
MAX_TEXT_CHARS = 256
SOURCES = ("librechat_jwt", "openid_reuse")
DATES = ("iat", "nbf", "exp")
LEGACY_TENANT = "legacy"

_USER = re.compile(r"(?!key:)[A-Za-z0-9_.:@|-]{1,128}")
"""`key:` begins the names of callers without a user of their own."""
_ENCODED_TENANT = re.compile(r"h_[0-9a-f]{60}")


class TokenVerifier:
    """Turns tokens into callers."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = TokenKeys(settings)
        self._plans = settings.plans

    def caller(self, token: str) -> Caller:
        """Return who a token was made for.

        It may be used any number of times while it lives: clients keep it for its 300 s.

        Raises:
            TokenInvalidError: It proves nothing.
            TokensMisconfiguredError: There is no key to verify it with.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenInvalidError("too long")
        claims = self._claims(token)
        plan = self._plan(claims)
        return Caller(
            tenant=self._tenant(claims),
            user=_user(claims),
            user_is_proven=True,
            auth_context=f"token:{claims['auth_context_hash']}",
            tenant_class=self._tenant_class(claims),
            memory_class=plan.memory_class,
            rates=plan.rates,
        )

    def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=settings.codeapi_jwt_audience,
                issuer=settings.codeapi_jwt_issuer,
                leeway=SKEW_S,
                options={"require": ["iss", "aud", "sub", "jti", *DATES]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as fault:
            raise TokenInvalidError(type(fault).__name__) from None
        _check_dates(claims)
        for name in ("jti", "auth_context_hash"):
            _text(claims, name)
        if claims.get("principal_source") not in SOURCES:
            raise TokenInvalidError("principal_source")
        return claims

    def _key(self, header: dict[str, Any]) -> TokenKey:
        keys = self._keys.current()
        if not keys:
            raise TokensMisconfiguredError
        if header.get("typ", "JWT") != "JWT" or "crit" in header:
            raise TokenInvalidError("header")
        # Looked up among the keys that we have, and never anywhere else: the `kid` names no
        # file, and `jku`, `jwk` and `x5u` are not read.
        kid = header.get("kid")
        key = keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenInvalidError("kid")
        algorithm = header.get("alg")
        if algorithm != key.algorithm or algorithm not in self._settings.allowed_algorithms:
            raise TokenInvalidError("alg")
        return key

    def _tenant(self, claims: dict[str, Any]) -> str:
        if "tenant_id" not in claims or claims["tenant_id"] is None:
            if self._settings.codeapi_tenant_isolation_strict:
                raise TokenInvalidError("tenant_id")
            return self._settings.codeapi_jwt_single_tenant_id or LEGACY_TENANT
        tenant = _text(claims, "tenant_id")
        if is_tenant(tenant) and not _ENCODED_TENANT.fullmatch(tenant):
            return tenant
        # It names a folder in the bucket. No two tenants become one: 240 bits of a digest.
        return f"h_{sha256(tenant.encode(errors='surrogatepass')).hexdigest()[:60]}"

    def _tenant_class(self, claims: dict[str, Any]) -> str:
        plan_id = claims.get("plan_id")
        return plan_id if isinstance(plan_id, str) and plan_id in self._plans else "token"

    def _plan(self, claims: dict[str, Any]) -> Plan:
        plan_id = claims.get("plan_id")
        found = self._plans.get(plan_id) if isinstance(plan_id, str) else None
        return found or Plan()


def _check_dates(claims: dict[str, Any]) -> None:
    dates = [claims[name] for name in DATES]
    for date in dates:
        if isinstance(date, bool) or not isinstance(date, (int, float)):
            raise TokenInvalidError("a date that is no number")
        if isinstance(date, float) and not math.isfinite(date):
            raise TokenInvalidError("a date that never comes")
    issued_at, _, expires_at = dates
    if not 0 < expires_at - issued_at <= MAX_LIFETIME_S:
        raise TokenInvalidError("lifetime")


def _user(claims: dict[str, Any]) -> str:
    user = claims["sub"]
    if not isinstance(user, str) or not _USER.fullmatch(user):
        raise TokenInvalidError("sub")
    return user


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CHARS:
        raise TokenInvalidError(name)
    return value
