"""Records as the bytes that are kept of them."""

from pydantic import ValidationError

from storage.errors import RecordUnreadableError
from storage.records import SessionRecord

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""Longest record written or read. An entry takes about 500 bytes, so this is thousands."""

DELETED = b""
"""In place of a record: the session is gone, though some of its bytes may be left."""


def write_record(record: SessionRecord) -> bytes:
    """Return what is kept of `record`."""
    return record.model_dump_json().encode()


def read_record(content: bytes, session_id: str) -> SessionRecord | None:
    """Return the record of `session_id`; `None` for a session marked as deleted.

    Fields that this version does not know are ignored, and those that an older one did not
    write have their defaults: sessions outlive an update of the service.

    Raises:
        RecordUnreadableError: It is no record, or another session's.
    """
    if content == DELETED:
        return None
    try:
        record = SessionRecord.model_validate_json(content)
    except ValidationError as fault:
        raise RecordUnreadableError(f"no record of {session_id!r}: {_reasons(fault)}") from None
    if record.session_id != session_id:
        raise RecordUnreadableError(f"the record of {session_id!r} is that of another session")
    return record


def _reasons(fault: ValidationError) -> str:
    """Where and why a record is wrong, but nothing of what it says: names are private."""
    errors = fault.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(step) for step in error['loc'])}: {error['type']}"
        for error in errors[:5]
    )
