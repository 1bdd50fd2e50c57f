"""Reports as tables: plain for the terminal, Markdown for the documents."""

from collections.abc import Iterable, Sequence

from tests.bench.reports import CaseReport, Report
from tests.bench.rows import Row, Target
from tests.bench.samples import TIMES, percentile, shown

MET, MISSED, UNKNOWN = "met", "missed", "unknown"

_HEADINGS = ("", "p50", "p95", "n", "baseline", "ratio", "target", "")


def text_table(report: Report) -> str:
    """Return all rows, in columns."""
    cells = [list(_HEADINGS), *(_cells(row) for row in _rows(report.cases))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [_aligned(line, widths) for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0].rstrip()), *lines[1:], *_problems(report)])


def row_line(row: Row) -> str:
    """Return one row, for who watches."""
    _, p50, p95, count, baseline, ratio, target, verdict = _cells(row)
    beside = f" beside {baseline} ({ratio})" if baseline else ""
    goal = f"; target {target}: {verdict}" if target else ""
    return f"  {row.name}: {p50}, p95 {p95}, n {count}{beside}{goal}"


def markdown_table(report: Report) -> str:
    """Return all rows as a table, with the baselines' names and what else is known."""
    lines = [
        "| what | p50 | p95 | n | baseline, same run | ratio | target | |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for row in _rows(report.cases):
        name, p50, p95, count, baseline, ratio, target, verdict = _cells(row)
        beside = f"{baseline}, {row.baseline_name}" if baseline else ""
        cells = (name, f"**{p50}**", p95, count, beside, ratio, target, verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *_markdown_problems(report)])


def markdown_remarks(report: Report) -> str:
    """Return what else was measured, a line for each row that has something."""
    return "\n".join(
        f"- {row.name}: " + "; ".join(f"{name} {text}" for name, text in row.remarks.items())
        for row in _rows(report.cases)
        if row.remarks
    )


def verdict(row: Row, target: Target) -> str:
    """Return whether the target is met, in a word."""
    return {True: MET, False: MISSED, None: UNKNOWN}[row.meets(target)]


def ratio(row: Row) -> str:
    """Return how ours stands to the baseline, the way the targets put it."""
    beside = row.baseline_figure
    if not beside or not row.figure:
        return ""
    as_speedup = any(target.of.value == "speedup" for target in row.targets)
    return f"{shown(beside / row.figure if as_speedup else row.figure / beside)}{TIMES}"


def _cells(row: Row) -> list[str]:
    unit = f" {row.unit.value}" if row.unit.value else ""
    beside = row.baseline_figure
    return [
        row.name,
        f"{shown(row.figure)}{unit}",
        shown(percentile(row.ours, 0.95)),
        str(len(row.ours)),
        "" if beside is None else f"{shown(beside)}{unit}",
        ratio(row),
        ", ".join(target.text(row.unit) for target in row.targets),
        ", ".join(verdict(row, target) for target in row.targets),
    ]


def _rows(cases: Iterable[CaseReport]) -> list[Row]:
    return [row for case in cases for row in case.rows]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers = zip(line, widths, strict=True)
    told = [cell.rjust(width) for cell, width in numbers[:5]]
    words = [cell.ljust(width) for cell, width in numbers[5:]]
    return "  ".join([first[0].ljust(first[1]), *told, *words]).rstrip()


def _problems(report: Report) -> list[str]:
    return [f"NOT MEASURED  {problem}" for problem in report.problems]


def _markdown_problems(report: Report) -> list[str]:
    if not report.problems:
        return []
    return ["", *(f"- **Not measured:** {problem}" for problem in report.problems)]
