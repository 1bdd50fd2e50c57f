import pytest

from tests.security.catalogue import CASES, DIFFERS_ON_GVISOR, NOT_APPLICABLE
from tests.security.results import Results, read_results
from tests.security.table import DOCUMENT, table, untried, with_table

pytestmark = pytest.mark.alone


def test_the_document_shows_what_was_seen() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")

    assert with_table(document, read_results()) == document


def test_every_applicable_case_was_seen_to_pass() -> None:
    results = read_results()

    assert untried(results, "runc") == []
    assert "failed" not in table(results)


def test_what_gvisor_does_otherwise_is_explained_and_nothing_else() -> None:
    results = read_results()
    differs = {
        int(number)
        for number, tests in results["runsc"].items()
        if not all(test["passed"] for test in tests)
    }

    assert differs == DIFFERS_ON_GVISOR.keys()
    assert untried(results, "runsc") == []


def test_a_case_that_failed_anywhere_is_told() -> None:
    seen: Results = {"runc": {"3": [{"test": "test_a", "path": "tests/a.py", "passed": False}]}}

    row = table(seen).splitlines()[4]

    assert "[`test_a`](tests/a.py)" in row
    assert row.endswith("| **failed**: test_a | not tried |")


def test_there_is_a_row_for_each_case() -> None:
    rows = table({}).splitlines()[2:]

    assert len(rows) == len(CASES) == 66
    assert all(NOT_APPLICABLE[n] in rows[n - 1] for n in NOT_APPLICABLE)
