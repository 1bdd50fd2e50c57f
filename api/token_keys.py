"""The keys that tokens are verified with: where they come from, and when they change."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from api.token_settings import TokenSettings

logger = logging.getLogger(__name__)

MAX_KEY_FILE_BYTES = 64 * 1024
MIN_RSA_BITS = 2048
"""RFC 7518 3.3."""

DEVELOPMENT_KID = "hs256-dev"


class TokenKey(NamedTuple):
    """A key, and the only algorithm that it may be used with.

    Whoever could choose the algorithm would have an RSA public key, which everybody knows,
    taken for the secret of an HMAC (CVE-2015-9235 and many after it).
    """

    algorithm: str
    key: Any


class TokenKeys:
    """Every key by its `kid`; read again when it is older than the settings allow."""

    def __init__(
        self, settings: TokenSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._keys: Mapping[str, TokenKey] = {}
        self._read_at: float | None = None

    def current(self) -> Mapping[str, TokenKey]:
        """Return the keys of this moment; empty if none is left."""
        now = self._clock()
        ttl_s = self._settings.codeapi_jwt_key_cache_ttl_seconds
        if self._read_at is None or now - self._read_at >= ttl_s:
            self._keys = load_token_keys(self._settings)
            self._read_at = now
        return self._keys


def load_token_keys(settings: TokenSettings) -> dict[str, TokenKey]:
    """Read every source.

    A file of the folder that is no key is left out, with a line in the log: one slip shall not
    lock out everybody.

    Raises:
        ValueError: A variable holds no key; the text names it.
    """
    keys: dict[str, TokenKey] = {}
    if settings.codeapi_jwt_jwks_json:
        keys |= _key_set(settings.codeapi_jwt_jwks_json)
    if settings.codeapi_jwt_public_keys_dir:
        keys |= _folder(settings.codeapi_jwt_public_keys_dir)
    if settings.codeapi_jwt_public_key and settings.key_id:
        text = settings.codeapi_jwt_public_key.replace("\\n", "\n")
        try:
            keys[settings.key_id] = read_key(text)
        except ValueError as fault:
            raise ValueError(f"CODEAPI_JWT_PUBLIC_KEY: {fault}") from None
    if settings.codeapi_jwt_hs256_secret and "HS256" in settings.allowed_algorithms:
        kid = settings.codeapi_jwt_hs256_kid or settings.key_id or DEVELOPMENT_KID
        secret = settings.codeapi_jwt_hs256_secret.get_secret_value()
        keys.setdefault(kid, TokenKey("HS256", secret.encode()))
    return keys


def _key_set(text: str) -> dict[str, TokenKey]:
    try:
        found = json.loads(text)["keys"]
        return {_text(key["kid"]): _jwk(key) for key in found}
    except (KeyError, TypeError, ValueError) as fault:
        reason = str(fault) if type(fault) is ValueError else 'it is not {"keys": [...]}'
        raise ValueError(f"CODEAPI_JWT_JWKS_JSON: {reason}") from None


def _folder(folder: Path) -> dict[str, TokenKey]:
    keys: dict[str, TokenKey] = {}
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as fault:
        logger.warning("CODEAPI_JWT_PUBLIC_KEYS_DIR cannot be read: %s", fault.strerror)
        return {}
    for file in files:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_KEY_FILE_BYTES)
            keys[file.stem] = read_key(content.decode())
        except (OSError, ValueError) as fault:
            logger.warning(
                "%r holds no key that tokens can be verified with: %s", file.name, fault
            )
    return keys


def read_key(text: str) -> TokenKey:
    """Read a public key, PEM or JWK.

    Raises:
        ValueError: It is neither, or neither Ed25519 nor RSA.
    """
    if text.lstrip().startswith("{"):
        return _jwk(json.loads(text))
    try:
        key = load_pem_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is no public key in PEM, and no JWK") from None
    return _checked(key)


def _jwk(jwk: object) -> TokenKey:
    if not isinstance(jwk, dict):
        raise ValueError("a key is not a JSON object")  # noqa: TRY004 - as the rest
    fields = cast("dict[str, Any]", jwk)
    reader = {"OKP": OKPAlgorithm, "RSA": RSAAlgorithm}.get(str(fields.get("kty")))
    if reader is None or "d" in fields:
        raise ValueError("a key is not the public half of an Ed25519 or RSA pair")
    try:
        found = _checked(reader.from_jwk(fields))
    except (InvalidKeyError, UnsupportedAlgorithm):
        raise ValueError("a key cannot be read") from None
    if (
        fields.get("alg", found.algorithm) != found.algorithm
        or fields.get("use", "sig") != "sig"
    ):
        raise ValueError("a key is meant for something else than verifying tokens")
    return found


def _checked(key: object) -> TokenKey:
    if isinstance(key, Ed25519PublicKey):
        return TokenKey("EdDSA", key)
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key needs {MIN_RSA_BITS} bits, and has {key.key_size}")
        return TokenKey("RS256", key)
    raise ValueError("a key is neither Ed25519 nor RSA")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a key has no kid")
    return value
