from datetime import UTC, datetime

import pytest

from storage.errors import RecordUnreadableError
from storage.ids import new_id
from storage.record_cache import LEAST_BYTES, MOST_BYTES, ParsedRecords
from storage.record_format import DELETED, write_record
from storage.records import FileEntry, SessionRecord


def record_of(files: int) -> SessionRecord:
    session_id, now = new_id(), datetime.now(UTC)
    return SessionRecord(
        session_id=session_id,
        origin="upload",
        user="somebody",
        created_at=now,
        files=tuple(
            FileEntry(
                id=new_id(),
                name=f"{number}.csv",
                storage_session_id=session_id,
                size_bytes=1,
                sha256="0" * 64,
                etag="0" * 32,
                content_type="text/csv",
                created_at=now,
            )
            for number in range(files)
        ),
    )


@pytest.mark.parametrize("files", [0, 1, 100, 1000])
def test_a_record_is_what_was_written_however_often_it_is_read(files: int) -> None:
    record = record_of(files)
    records = ParsedRecords()

    for _ in range(3):
        assert records.parse(write_record(record), record.session_id) == record


def test_a_large_one_is_parsed_once() -> None:
    record = record_of(1000)
    records = ParsedRecords()

    first = records.parse(write_record(record), record.session_id)

    assert records.parse(write_record(record), record.session_id) is first


def test_a_change_is_seen_at_once() -> None:
    record = record_of(1000)
    records = ParsedRecords()
    records.parse(write_record(record), record.session_id)
    changed = record.model_copy(update={"files": record.files[1:]})

    assert records.parse(write_record(changed), record.session_id) == changed
    assert records.parse(DELETED, record.session_id) is None


def test_one_that_was_parsed_is_no_other_sessions() -> None:
    record = record_of(1000)
    records = ParsedRecords()
    records.parse(write_record(record), record.session_id)

    with pytest.raises(RecordUnreadableError):
        records.parse(write_record(record), new_id())


def test_what_was_not_asked_for_lately_is_forgotten() -> None:
    record = record_of(1000)
    records = ParsedRecords()
    first = records.parse(write_record(record), record.session_id)
    size_bytes = len(write_record(record))
    assert size_bytes > LEAST_BYTES

    for _ in range(MOST_BYTES // size_bytes + 1):
        other = record_of(1000)
        records.parse(write_record(other), other.session_id)

    assert records.parse(write_record(record), record.session_id) is not first
