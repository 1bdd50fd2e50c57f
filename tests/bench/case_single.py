"""One program at a time, a sandbox waiting for it, beside fresh containers."""

from functools import partial

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.fresh_run import NAME, fresh_run
from tests.bench.programs import PROGRAMS, Program, Timed
from tests.bench.rows import Row, Unit
from tests.bench.samples import median, shown
from tests.bench.server_timing import typical_steps


def _measure(program: Program, bench: Bench) -> Rows:
    timed: list[Timed] = []

    def ours() -> float:
        timed.append(bench.run_at_rest(program))
        return timed[-1].took_ms

    def fresh() -> float:
        bench.subject.rest.wait()
        return fresh_run(bench.image, program)

    samples, baseline = interleaved(bench.times(11, 2), ours, fresh, bench.say)
    yield Row(
        name=program.name,
        unit=Unit.MS,
        ours=samples,
        baseline=baseline,
        baseline_name=NAME,
        targets=program.targets,
        remarks=_remarks(timed),
    )


def _remarks(timed: list[Timed]) -> dict[str, str]:
    remarks = {"program": f"{shown(median([run.wall_ms for run in timed]))} ms"}
    if timed[0].download_ms:
        fetched = shown(median([run.download_ms for run in timed]))
        remarks["download of the chart"] = f"{fetched} ms"
    return remarks | typical_steps([run.server_timing for run in timed])


CASES = tuple(
    Case(name=program.name, measure=partial(_measure, program)) for program in PROGRAMS
)
