"""How the answer of a run tells of files that are not among its files."""

import pytest

from api.exec_answer import ExecAnswer
from executor.messages import Delivery, Finished, SkippedFile
from storage.ids import new_id


def answer_to(**changes: object) -> dict[str, object]:
    """Return the JSON of the answer, as responses are written."""
    plain = {"exit_code": 0, "stdout": "", "stderr": "", "wall_time_ms": 1}
    result = Finished.model_validate({**plain, **changes})
    return ExecAnswer.of(new_id(), result).model_dump(exclude_unset=True)


def test_reasons_are_those_of_all_files_and_not_of_the_named_ones_alone() -> None:
    answer = answer_to(
        skipped=(SkippedFile(name="a", reason="file_too_large"),),
        skipped_count=40,
        skip_reasons=("file_too_large", "not_a_regular_file"),
    )

    assert answer["artifact_truncation"] == {
        "reasons": ["file_too_large", "not_a_regular_file"],
        "skipped_count": 40,
        "skipped": ["a"],
    }


@pytest.mark.parametrize(
    ("delivered", "status", "failed"), [(0, "failed", 3), (1, "partial", 2)]
)
def test_files_that_storage_refused_are_counted(
    delivered: int, status: str, failed: int
) -> None:
    answer = answer_to(delivery=Delivery(attempted=3, delivered=delivered))

    assert answer["artifact_delivery"] == {
        "code": "artifact_delivery_failed",
        "status": status,
        "attempted": 3,
        "delivered": delivered,
        "failed": failed,
    }


def test_where_everything_was_kept_neither_is_there() -> None:
    assert not {"artifact_truncation", "artifact_delivery"} & answer_to().keys()
