"""A service that lets in with keys and with LibreChat's tokens, and what each client gets."""

from collections.abc import Callable
from pathlib import Path

from tests.api.tokens import ED25519, USER, public_pem, token
from tests.e2e.client import Generation
from tests.live.running_service import TENANTS, RunningService

KID = "lc-codeapi-2026-05"
"""What LibreChat calls its key unless told otherwise (librechat-contract 5.3)."""

SOMEBODY_ELSE = "64b000000000000000000002"


def settings_for_tokens(folder: Path) -> dict[str, str]:
    """Return the settings; the public key is put into `folder`, as an operator does."""
    folder.mkdir()
    (folder / f"{KID}.pem").write_text(public_pem(ED25519))
    return {"CODEAPI_JWT_PUBLIC_KEYS_DIR": str(folder)}


def signed(user: str = USER) -> str:
    """Sign a token as LibreChat does for a user of the first tenant; it lasts 300 s."""
    return token(kid=KID, tenant_id=TENANTS[0], sub=user)


def credential(generation: Generation, service: RunningService) -> str | Callable[[], str]:
    """Return the first tenant's key, or what signs tokens of one of its users."""
    return signed if generation.auth == "token" else service.keys[TENANTS[0]]
