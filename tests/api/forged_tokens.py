"""Tokens that open nothing (attack-cases 49)."""

import hmac
import time
from collections.abc import Callable

from tests.api.tokens import (
    KID,
    OTHER_ED25519,
    RSA,
    claims,
    public_jwk,
    public_pem,
    token,
    unsigned,
)


def now() -> int:
    return int(time.time())


def tampered() -> str:
    head, _, signature = token().split(".")
    other = token(sub="64b000000000000000000002").split(".")[1]
    return f"{head}.{other}.{signature}"


def hmac_with_a_public_key() -> str:
    """The oldest trick: everybody knows the public key, and an HMAC takes any bytes."""
    head, payload, _ = unsigned({"alg": "HS256", "kid": "rsa", "typ": "JWT"}, claims()).split(
        "."
    )
    signature = hmac.digest(public_pem(RSA).encode(), f"{head}.{payload}".encode(), "sha256")
    return unsigned({"alg": "HS256", "kid": "rsa", "typ": "JWT"}, claims(), signature)


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned({"alg": "none", "kid": KID}, claims()),
    "alg None": lambda: unsigned({"alg": "None", "kid": KID}, claims()),
    "no alg": lambda: unsigned({"kid": KID}, claims()),
    "HS256 with the RSA public key": hmac_with_a_public_key,
    "RS256 for an EdDSA key": lambda: token(RSA, algorithm="RS256"),
    "EdDSA for an RSA key": lambda: token(kid="rsa"),
    "another's key": lambda: token(OTHER_ED25519),
    "no kid": lambda: token(kid=None),
    "unknown kid": lambda: token(kid="other"),
    "kid that climbs": lambda: token(kid="../../etc/passwd"),
    "kid that is a path": lambda: token(kid="/dev/null"),
    "kid that is no text": lambda: unsigned({"alg": "EdDSA", "kid": 1}, claims()),
    "a key in the header": lambda: token(
        OTHER_ED25519, kid="mine", header={"jwk": public_jwk(OTHER_ED25519, "mine")}
    ),
    "an address of keys": lambda: token(
        OTHER_ED25519, kid="mine", header={"jku": "http://127.0.0.1:1/keys"}
    ),
    "an address of a certificate": lambda: token(
        OTHER_ED25519, kid="mine", header={"x5u": "http://127.0.0.1:1/x"}
    ),
    "crit": lambda: token(header={"crit": ["exp"]}),
    "wrong typ": lambda: token(header={"typ": "at+jwt"}),
    "tampered with": tampered,
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "wrong iss": lambda: token(iss="elsewhere"),
    "wrong aud": lambda: token(aud="another"),
    "wrong auds": lambda: token(aud=["another", "more"]),
    "expired": lambda: token(iat=now() - 400, nbf=now() - 400, exp=now() - 100),
    "not yet": lambda: token(nbf=now() + 100),
    "made in the future": lambda: token(iat=now() + 100, exp=now() + 300),
    "living too long": lambda: token(exp=now() + 3000),
    "living backwards": lambda: token(iat=now() + 20, exp=now() + 10),
    "exp as a text": lambda: token(exp=str(now() + 200)),
    "exp as a truth": lambda: token(iat=0, nbf=0, exp=True),
    "exp never": lambda: token(exp=float("inf")),
    "exp beyond any number": lambda: token(exp=10**400),
    "iat no number": lambda: token(iat=float("nan")),
    "bad principal_source": lambda: token(principal_source="me"),
    "empty auth_context_hash": lambda: token(auth_context_hash=""),
    "empty jti": lambda: token(jti=""),
    "long jti": lambda: token(jti="j" * 257),
    "sub that is another's name": lambda: token(sub="key:default"),
    "sub with a line break": lambda: token(sub="a\nb"),
    "empty sub": lambda: token(sub=""),
    "tenant that is no text": lambda: token(tenant_id=7),
    "empty tenant": lambda: token(tenant_id=""),
    "claims that are a list": lambda: unsigned({"alg": "EdDSA", "kid": KID}, [1]),
    "too long": lambda: token(more="x" * 9000),
    "no token": lambda: "nonsense",
    "empty": lambda: "",
    "binary": lambda: "\x80.\x81.\x82",
} | {
    f"no {name}": lambda name=name: token(without=name)
    for name in ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "principal_source")
}
