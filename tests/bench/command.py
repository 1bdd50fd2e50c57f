"""`./code-command bench`: measures, prints, and keeps what it found."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.local.bench_options import BenchOptions
from infra.local.console import Console
from infra.local.errors import BadSettingError
from storage.configuration import VARIABLES
from tests.bench import documents
from tests.bench.catalogue import CASES, chosen
from tests.bench.chart import PICTURE, chart_data, draw
from tests.bench.reasons import without_reason
from tests.bench.reports import BenchError, Report
from tests.bench.running import Run, engine_settings, measure
from tests.bench.subject import running_subject, started_subject
from tests.bench.tables import text_table

ENGINE_VARIABLE = "SANDBOX_ENGINE"


def bench(options: BenchOptions, console: Console) -> int:
    """Measure what is asked for; return 0 unless something could not be measured.

    A missed target is told, and no failure: machines differ, and are noisy.

    Raises:
        BadSettingError: There is no such case, or no such engine.
    """
    runs = [_run(options, engine) for engine in _engines(options)]
    reports: list[Report] = []
    for run in runs:
        console.say(f"engine {run.engine}: {', '.join(case.name for case in run.cases)}")
        reports.append(measure(run, console))
    for report in reports:
        console.plain(f"\nengine {report.engine}\n{text_table(report)}\n")
    folder = Path(options.output or tempfile.mkdtemp(prefix="code-command-bench-results-"))
    for report in reports:
        report.write(folder / f"{report.engine}.json")
    console.say(f"the figures are in {folder}")
    if options.write_docs:
        for report in reports:
            documents.keep(report)
        reports = documents.kept_reports()
    if options.write_docs or not (options.is_short or options.only):
        _draw(options, reports, folder, console)
    if options.write_docs:
        rewrite_documents(console)
    return 1 if any(report.problems for report in reports) else 0


def rewrite_documents(console: Console) -> int:
    """Write the documents from the figures that are kept; return 0.

    Raises:
        BadSettingError: There are none.
    """
    reports = documents.kept_reports()
    if not reports:
        raise BadSettingError(f"there is nothing in {documents.RAW}")
    for report in reports:
        for name in without_reason(report):
            console.say(f"{report.engine}: tests/bench/reasons.py has nothing on: {name}")
    documents.write_documents(reports)
    console.done("docs/benchmarks.md and README.md are written")
    return 0


def _engines(options: BenchOptions) -> Sequence[str]:
    engines = [*documents.ENGINES] if options.engine == "both" else [options.engine]
    if ENGINE_VARIABLE not in VARIABLES and engines != ["docker"]:
        raise BadSettingError(f"this version has no {ENGINE_VARIABLE}: --engine docker alone")
    return engines


def _run(options: BenchOptions, engine: str) -> Run:
    known = [case.name for case in CASES]
    unknown = [name for name in options.only if name not in known]
    if unknown:
        raise BadSettingError(f"--only {unknown[0]}: there are {', '.join(known)}")
    cases = chosen(options.only, is_short=options.is_short, of_others=bool(options.url))
    if not cases:
        raise BadSettingError("none of these cases can be measured with --url")
    return Run(
        engine=engine,
        cases=cases,
        is_short=options.is_short,
        url=options.url,
        key=options.key,
    )


def _draw(
    options: BenchOptions, reports: Sequence[Report], folder: Path, console: Console
) -> None:
    """Have the service draw the chart of what it has just done."""
    if not chart_data(reports)["rows"]:
        return
    console.say("the service draws the chart")
    try:
        png = _drawn(options, reports)
    except BenchError as fault:
        console.error(f"there is no chart: {fault}")
        return
    paths = [folder / PICTURE, *([documents.PICTURE] if options.write_docs else [])]
    for path in paths:
        path.write_bytes(png)
    console.done(f"the chart is {paths[-1]}")


def _drawn(options: BenchOptions, reports: Sequence[Report]) -> bytes:
    if options.url:
        with running_subject(options.url, options.key).client() as client:
            return draw(client, reports)
    settings = engine_settings(reports[-1].engine)
    with started_subject(settings) as subject, subject.client() as client:
        return draw(client, reports)
