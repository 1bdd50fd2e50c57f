"""Records that were parsed lately."""

from collections import OrderedDict
from hashlib import sha256

from storage.record_format import read_record
from storage.records import SessionRecord

MOST_BYTES = 4 * 1024 * 1024
"""Written form of all that is remembered; parsed it takes about four times as much."""

LEAST_BYTES = 8 * 1024
"""Shorter records are parsed again: that costs less than 0.2 ms."""


class ParsedRecords:
    """Parses records, and remembers large ones by what they say.

    The bytes are read from the store every time, so nothing here is ever out of date. A
    record of 1,000 files takes 6 ms to parse, which a run with one of them would pay.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[SessionRecord, int]] = OrderedDict()
        self._bytes = 0

    def parse(self, content: bytes, session_id: str) -> SessionRecord | None:
        """Return the record of `session_id`; `None` for a session marked as deleted.

        Raises:
            RecordUnreadableError: It is no record, or another session's.
        """
        if len(content) < LEAST_BYTES:
            return read_record(content, session_id)
        key = sha256(content).digest()
        known = self._known.get(key)
        if known is not None and known[0].session_id == session_id:
            self._known.move_to_end(key)
            return known[0]
        record = read_record(content, session_id)
        if record is not None:
            self._remember(key, record, len(content))
        return record

    def _remember(self, key: bytes, record: SessionRecord, size_bytes: int) -> None:
        self._known[key] = (record, size_bytes)
        self._bytes += size_bytes
        while self._bytes > MOST_BYTES:
            _, (_, forgotten_bytes) = self._known.popitem(last=False)
            self._bytes -= forgotten_bytes
