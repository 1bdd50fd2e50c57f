"""The chart: what goes into it, and the run of the service that draws it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.chart_program import SOURCE
from tests.bench.client import Client, output_files
from tests.bench.programs import require_chart, require_success
from tests.bench.reports import Report, WrongAnswerError
from tests.bench.rows import Of, Row, Target

PICTURE = "benchmarks.png"
DATA = "chart.json"

LABELS = {
    "hello": "Python: print",
    "pandas": "Python: pandas",
    "chart": "Python: a chart",
    "bash": "bash",
    "node": "Node",
    "csv": "5 MB CSV in, 4 MB out",
    "burst": "20 at once, the slowest",
}
"""The cases that are shown, and what they are called; the first row of each counts."""


ENGINE_LABELS = {"docker": "Code Command, Docker engine", "oci": "Code Command, oci engine"}


def chart_data(reports: Sequence[Report]) -> dict[str, Any]:
    """Return what the program draws: times that have a baseline, of every engine."""
    rows: list[dict[str, Any]] = []
    for case, label in LABELS.items():
        found = {report.engine: row for report in reports if (row := _first_row(report, case))}
        if found:
            rows.append(_entry(label, found))
    machine = reports[0].machine
    return {
        "title": "Time until the answer, median; less is better",
        "engines": [report.engine for report in reports],
        "labels": {
            report.engine: ENGINE_LABELS[report.engine] if len(reports) > 1 else "Code Command"
            for report in reports
        },
        "baseline": "fresh docker run, same image and limits",
        "footnote": f"{machine['processors']} processors, {machine['processor']}; "
        "half a processor for each program; logarithmic",
        "rows": rows,
    }


def draw(client: Client, reports: Sequence[Report]) -> bytes:
    """Have the service draw the chart; return the PNG.

    Raises:
        WrongAnswerError: There is no picture.
        BenchError: The service refused.
    """
    file, _ = client.upload(DATA, json.dumps(chart_data(reports)).encode())
    said = client.exec("py", SOURCE, file).json()
    require_success(said)
    picture = output_files(said).get(PICTURE)
    if picture is None:
        raise WrongAnswerError(f"no chart was drawn: {said['stderr'][-300:]!r}")
    png = client.download(picture).content()
    require_chart(png)
    return png


def _first_row(report: Report, case_name: str) -> Row | None:
    rows = [row for case in report.cases if case.name == case_name for row in case.rows]
    return rows[0] if rows and rows[0].baseline else None


def _entry(label: str, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Describe one group of bars. Of several engines the first one's baseline is drawn."""
    first = next(iter(rows.values()))
    return {
        "name": label,
        "ours": {engine: row.figure for engine, row in rows.items()},
        "baseline": first.baseline_figure,
        "targets": {
            engine: mark for engine, row in rows.items() if (mark := _mark(row)) is not None
        },
    }


def _mark(row: Row) -> float | None:
    """Return where the target lies on the axis: an absolute one, else one by the baseline."""
    places = {target.of: _place(target, row) for target in row.targets}
    return places.get(Of.FIGURE) or places.get(Of.SPEEDUP) or places.get(Of.SHARE)


def _place(target: Target, row: Row) -> float:
    beside = row.baseline_figure or 0.0
    match target.of:
        case Of.FIGURE:
            return target.limit
        case Of.SPEEDUP:
            return beside / target.limit
        case Of.SHARE:
            return beside * target.limit
