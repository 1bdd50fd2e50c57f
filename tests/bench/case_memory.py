"""What the service holds in memory when it rests, after everything that was asked of it."""

from tests.bench.cases import Bench, Case, Rows
from tests.bench.processes import proportional_mb, resident_mb, sandboxes
from tests.bench.reports import BenchError
from tests.bench.rows import Row, Unit, at_most
from tests.bench.samples import shown


def _measure(bench: Bench) -> Rows:
    bench.subject.rest.wait()
    for name, limit in (("api", 150), ("executor", 200)):
        pid = bench.subject.pid(name)
        yield Row(
            name=f"memory of the {name.replace('api', 'API')}",
            unit=Unit.SIZE,
            ours=(resident_mb(pid),),
            targets=(at_most(limit),),
            remarks={"proportional share": f"{shown(proportional_mb(pid))} MB"},
        )
    held = [
        sum(proportional_mb(pid) for pid in processes) for processes in sandboxes().values()
    ]
    if not held:
        raise BenchError("no sandbox waits")
    yield Row(
        name="memory of a sandbox that waits, preloaded",
        unit=Unit.SIZE,
        ours=(max(held),),
        targets=(at_most(90),),
        remarks={"all that wait": ", ".join(shown(size) for size in sorted(held)) + " MB"},
    )


CASES = (Case(name="memory", measure=_measure, needs_own=True),)
