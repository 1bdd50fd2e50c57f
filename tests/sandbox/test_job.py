"""The JOB frame: read whole, or refused."""

import json

import pytest

from sandbox.supervisor.frames import Frame, FrameError, Kind
from sandbox.supervisor.job import Limits, parse_job

LIMITS: dict[str, object] = {
    "wall_time_s": 1.5,
    "stdout_bytes": 1,
    "stderr_bytes": 2,
    "file_bytes": 3,
    "total_bytes": 4,
    "files": 5,
    "depth": 6,
    "path_chars": 7,
    "open_files": 8,
}


def job(**changes: object) -> Frame:
    fields = {"language": "py", "args": ["a b", ""], "limits": LIMITS} | changes
    return Frame(Kind.JOB, json.dumps(fields).encode())


def test_a_job_is_read_as_it_was_sent() -> None:
    parsed = parse_job(job())

    assert parsed.language == "py"
    assert parsed.args == ("a b", "")
    assert parsed.limits == Limits(1.5, 1, 2, 3, 4, 5, 6, 7, 8)


def test_fields_of_a_later_version_are_ignored() -> None:
    assert parse_job(job(later=1, limits=LIMITS | {"later": 1})) == parse_job(job())


@pytest.mark.parametrize("missing", sorted(LIMITS))
def test_a_job_without_one_of_its_limits_is_refused(missing: str) -> None:
    limits = {name: value for name, value in LIMITS.items() if name != missing}

    with pytest.raises(FrameError, match=missing):
        parse_job(job(limits=limits))


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": None},
        {"limits": []},
        {"limits": LIMITS | {"files": "many"}},
        {"limits": LIMITS | {"files": None}},
        {"args": 1},
        {"args": None},
    ],
    ids=["no-limits", "list-of-limits", "text", "null", "number-as-args", "no-args"],
)
def test_wrong_types_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(FrameError, match="unusable job"):
        parse_job(job(**changes))
