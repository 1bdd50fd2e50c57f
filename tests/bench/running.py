"""Measures cases one after the other; what goes wrong with one does not stop the others."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.local.console import Console
from tests.bench.cases import Bench, Case
from tests.bench.catalogue import by_service
from tests.bench.machine import commit, facts
from tests.bench.reports import BenchError, CaseReport, Report
from tests.bench.rows import Row
from tests.bench.subject import Subject, running_subject, sandbox_image, started_subject
from tests.bench.tables import row_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is to be measured."""

    engine: str
    cases: Sequence[Case]
    is_short: bool
    url: str = ""
    """Of a service that runs already; empty: the bench starts its own."""
    key: str = ""


def measure(run: Run, console: Console) -> Report:
    """Measure everything, with as few starts of the service as possible."""
    groups = [({}, list(run.cases))] if run.url else by_service(run.cases)
    reports: list[CaseReport] = []
    for settings, cases in groups:
        reports += _measure_group(run, settings | engine_settings(run.engine), cases, console)
    return Report(
        engine=run.engine,
        is_short=run.is_short,
        machine=facts(sandbox_image()),
        cases=tuple(reports),
    )


def _measure_group(
    run: Run, settings: Mapping[str, str], cases: Sequence[Case], console: Console
) -> list[CaseReport]:
    """Measure what shares a service."""
    done: list[CaseReport] = []
    try:
        with _subject(run, settings, console) as subject:
            for case in cases:
                bench = _bench(run, subject, settings, case, console)
                done.append(_measure_case(case, bench, console))
    except (BenchError, OSError, AssertionError) as fault:
        # It did not start, or did not stop. What was measured by then is kept.
        console.error(f"the service: {fault}")
        missing = cases[len(done) :]
        done += [CaseReport(name=case.name, problem="there was no service") for case in missing]
    return done


def engine_settings(engine: str) -> dict[str, str]:
    """Say nothing of the default: a version without the setting has Docker alone."""
    return {} if engine == "docker" else {"SANDBOX_ENGINE": engine}


@contextmanager
def _subject(
    run: Run, settings: Mapping[str, str], console: Console
) -> Generator[Subject, None, None]:
    if run.url:
        yield running_subject(run.url, run.key)
        return
    shown = ", ".join(f"{name}={value}" for name, value in settings.items())
    console.say(f"starting a service of our own: {shown}")
    with started_subject(settings) as subject:
        yield subject
        console.say("stopping it")


def _bench(
    run: Run, subject: Subject, settings: Mapping[str, str], case: Case, console: Console
) -> Bench:
    return Bench(
        subject=subject,
        image=sandbox_image(),
        engine=run.engine,
        is_short=run.is_short,
        settings=settings,
        say=lambda text: console.status(f"{case.name}: {text}"),
    )


def _measure_case(case: Case, bench: Bench, console: Console) -> CaseReport:
    """Measure one case. Whatever it raises is told beside the rows that it had by then."""
    console.say(case.name)
    began_at = time.monotonic()
    rows: list[Row] = []
    problem = ""
    try:
        for row in case.measure(bench):
            rows.append(row)
            console.plain(row_line(row))
    except Exception as fault:  # noqa: BLE001 - one case; the others go on, and it is told
        problem = str(fault) if isinstance(fault, BenchError) else repr(fault)
        console.error(f"{case.name}: {problem}")
    return CaseReport(
        name=case.name,
        rows=tuple(rows),
        problem=problem,
        took_s=time.monotonic() - began_at,
        commit=commit(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
