"""Translates what obstore raises into the errors of this package."""

from collections.abc import Generator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from storage.errors import ObjectNotFoundError, StorageUnavailableError

# obstore makes one FileNotFoundError of every 404. The service's own code tells a missing
# key from a missing bucket, or from a stranger at the address who has never heard of S3: a
# file must not count as gone because somebody mistyped the endpoint.
_KEY_IS_MISSING = "<Code>NoSuchKey</Code>"


@contextmanager
def translated_faults(key: str) -> Generator[None, None, None]:
    """Speak our errors, not obstore's, and keep the cause attached.

    Only calls of obstore belong into the block: a `FileNotFoundError` of anybody else would
    be taken for one of S3's.

    Raises:
        ObjectNotFoundError: S3 says that there is no such key.
        StorageUnavailableError: Any other fault: no answer, no bucket, no permission.
    """
    try:
        yield
    except FileNotFoundError as fault:
        if _KEY_IS_MISSING in str(fault):
            raise ObjectNotFoundError(key) from fault
        raise StorageUnavailableError(f"S3 has no place for {key!r}") from fault
    except (BaseError, OSError) as fault:
        raise StorageUnavailableError(f"S3 failed at {key!r}") from fault
