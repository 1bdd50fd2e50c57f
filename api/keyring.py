"""API keys: whose is it (librechat-contract 5.4)."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from api.environment_keys import ApiKey
from api.key_file import KeyFile, key_digest
from executor.messages import MemoryClass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    """Whom a key belongs to, and what it is given."""

    tenant: str
    label: str
    """Stands for the user where the client names none."""
    memory_class: MemoryClass | None = None
    rates: Mapping[str, str] = field(default_factory=dict[str, str])


class Keyring:
    """Knows every key, of the environment and of the file.

    Tells whose a key is without saying how near a guess was.
    """

    def __init__(self, keys: Iterable[ApiKey], file: KeyFile | None = None) -> None:
        self._owners = tuple(
            (key_digest(key.secret.get_secret_value()), _owner_of(key, number))
            for number, key in enumerate(keys)
        )
        self._file = file

    def owner(self, key: str) -> KeyOwner | None:
        """Return whose `key` is; `None` if it is nobody's.

        It is compared with every key there is, by digest: time tells neither content nor
        length.
        """
        offered = key_digest(key)
        found: KeyOwner | None = None
        for digest, owner in self._owners:
            if hmac.compare_digest(offered, digest):
                found = owner
        for record in self._file.records() if self._file else ():
            if hmac.compare_digest(offered, record.sha256):
                found = KeyOwner(
                    tenant=record.tenant,
                    label=f"key:{record.id}",
                    memory_class=record.memory_class,
                    rates=record.rates,
                )
        return found


def _owner_of(key: ApiKey, number: int) -> KeyOwner:
    # One with rates of its own is counted alone: another one's requests use up nothing of it.
    alone = f":{number}" if key.rates else ""
    return KeyOwner(
        tenant=key.tenant,
        label=f"key:{key.tenant}{alone}",
        memory_class=key.memory_class,
        rates=key.rates,
    )
