"""docs/benchmarks.md and the README: their figures are written from the JSON, never by hand."""

import re
from collections.abc import Sequence
from pathlib import Path

from infra.local.config import CHECKOUT
from tests.bench.chart import LABELS
from tests.bench.reasons import missed, reason
from tests.bench.reports import Report
from tests.bench.rows import Row
from tests.bench.samples import TIMES, shown
from tests.bench.tables import markdown_remarks, markdown_table

ENGINES = ("docker", "oci")
DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"
README = CHECKOUT / "README.md"
RAW = CHECKOUT / "docs" / "benchmarks"
PICTURE = CHECKOUT / "docs" / "benchmarks.png"

_TITLES = {"docker": "Docker engine", "oci": "`oci` engine"}


def raw_path(engine: str, folder: Path = RAW) -> Path:
    """Return where the figures of an engine are kept."""
    return folder / f"{engine}.json"


def kept_reports(folder: Path = RAW) -> list[Report]:
    """Return the reports that the documents are written from."""
    paths = [raw_path(engine, folder) for engine in ENGINES]
    return [Report.read(path) for path in paths if path.exists()]


def keep(report: Report, folder: Path = RAW) -> Report:
    """Keep a report; cases that it does not have stay as they were. Return what is kept."""
    path = raw_path(report.engine, folder)
    whole = Report.read(path).updated(report) if path.exists() else report
    whole.write(path)
    return whole


def replaced(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between the markers called `name`.

    Raises:
        ValueError: The markers are not there, each once.
    """
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"there is not one pair of {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


def write_documents(reports: Sequence[Report]) -> None:
    """Write the figures into both documents."""
    for path, name, content in (
        (DOCUMENT, "figures", document_figures(reports)),
        (README, "summary", readme_summary(reports)),
    ):
        text = path.read_text(encoding="utf-8")
        path.write_text(replaced(text, name, content), encoding="utf-8")


def document_figures(reports: Sequence[Report]) -> str:
    """Return everything that was measured, an engine after the other."""
    return "\n\n".join(_section(report) for report in reports)


def readme_summary(reports: Sequence[Report]) -> str:
    """Return the few rows that the README shows, with all engines side by side."""
    heads = [_TITLES[report.engine] for report in reports]
    lines = [
        f"| median of a run, ms | {' | '.join(heads)} | fresh `docker run` |",
        f"|---|{'---:|' * (len(heads) + 1)}",
    ]
    for case, label in LABELS.items():
        found = [_first_row(report, case) for report in reports]
        rows = [row for row in found if row is not None]
        if rows and rows[0].baseline_figure is not None:
            figures = [_with_ratio(row) for row in found]
            beside = shown(rows[0].baseline_figure)
            lines.append(f"| {label} | {' | '.join(figures)} | {beside} |")
    return "\n".join(lines)


def _section(report: Report) -> str:
    machine = "; ".join(f"{name} {value}" for name, value in report.machine.items())
    commits = sorted({case.commit for case in report.cases if case.commit})
    days = sorted({case.measured_at[:10] for case in report.cases if case.measured_at})
    raw = f"[benchmarks/{report.engine}.json](benchmarks/{report.engine}.json)"
    parts = [
        f"### {_TITLES[report.engine]}",
        f"Machine: {machine}.",
        f"Commit {', '.join(commits)}; {', '.join(days)}. Raw figures: {raw}.",
        markdown_table(report),
        "Also measured:",
        markdown_remarks(report),
    ]
    late = missed(report)
    if late:
        parts += ["Missed, why, and what to try next:", _reasons(report.engine, late)]
    return "\n\n".join(parts)


def _reasons(engine: str, rows: Sequence[Row]) -> str:
    return "\n".join(
        f"- **{row.name}**: {reason(engine, row) or 'not looked into yet.'}" for row in rows
    )


def _first_row(report: Report, case_name: str) -> Row | None:
    rows = [row for case in report.cases if case.name == case_name for row in case.rows]
    return rows[0] if rows else None


def _with_ratio(row: Row | None) -> str:
    if row is None:
        return ""
    beside = row.baseline_figure
    times = f" ({shown(beside / row.figure)}{TIMES})" if beside and row.figure else ""
    return f"**{shown(row.figure)}**{times}"
