"""Tokens as LibreChat makes them, and as others might."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

KID = "lc-codeapi"
ED25519 = Ed25519PrivateKey.generate()
OTHER_ED25519 = Ed25519PrivateKey.generate()
RSA = generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
SECRET = "a secret of development, 32 bytes or more"
USER = "64b000000000000000000001"


def public_pem(key: Any) -> str:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def public_jwk(key: Any, kid: str) -> dict[str, Any]:
    reader: Any = OKPAlgorithm if isinstance(key, Ed25519PrivateKey) else RSAAlgorithm
    return {**json.loads(reader.to_jwk(key.public_key())), "kid": kid}


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of librechat-contract 5.3; `None` leaves one out."""
    now = int(time.time())
    usual: dict[str, Any] = {
        "iss": "librechat",
        "aud": "codeapi",
        "sub": USER,
        "jti": "0b7c1c3e-5a0e-4c62-8d4b-1d0f6f1f0a11",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "principal_source": "librechat_jwt",
        "auth_context_hash": "3f" * 32,
        "tenant_id": "acme",
        "role": "USER",
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def token(
    key: Any = ED25519,
    *,
    algorithm: str = "EdDSA",
    kid: str | None = KID,
    header: dict[str, Any] | None = None,
    without: str = "",
    **changed: Any,
) -> str:
    """Sign a token."""
    payload = {name: value for name, value in claims(**changed).items() if name != without}
    headers = {**({"kid": kid} if kid is not None else {}), **(header or {})}
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def unsigned(header: dict[str, Any], payload: Any, signature: bytes = b"") -> str:
    """Put a token together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
