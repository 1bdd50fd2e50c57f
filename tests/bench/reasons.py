"""Why a target is missed, and what would be tried next: shown beside those that are.

By the name of the row; for one engine alone as `engine: name`. The tables show an entry only
where the last run missed the target, so an entry may stay when it does not any more.
"""

from tests.bench.reports import Report
from tests.bench.rows import Row

REASONS: dict[str, str] = {}


def reason(engine: str, row: Row) -> str:
    """Return why the row misses a target; empty where nobody has written that down yet."""
    return REASONS.get(f"{engine}: {row.name}") or REASONS.get(row.name, "")


def missed(report: Report) -> list[Row]:
    """Return the rows that miss a target."""
    return [
        row
        for case in report.cases
        for row in case.rows
        if any(row.meets(target) is False for target in row.targets)
    ]


def without_reason(report: Report) -> list[str]:
    """Return the names of rows that miss a target, and nobody has said why."""
    return [row.name for row in missed(report) if not reason(report.engine, row)]
