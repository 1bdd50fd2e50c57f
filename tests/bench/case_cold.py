"""Nothing waits: a sandbox is made for the run, beside what the engine itself takes for one."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.engine_rates import bare_config, create_and_start, engine
from tests.bench.programs import HELLO
from tests.bench.rows import Row, Unit, at_most_times
from tests.bench.server_timing import typical_steps

BASELINES = {
    "docker": "Docker's own create, attach, start",
    "oci": "the runtime's own create and start",
}


def _measure(bench: Bench) -> Rows:
    timings: list[str] = []

    def ours() -> float:
        timed = bench.run_at_rest(HELLO, preloaded=0)
        timings.append(timed.server_timing)
        return timed.took_ms

    with _bare_engine(bench) as create:

        def baseline() -> float:
            bench.subject.rest.wait(preloaded=0)
            return create()

        baseline()  # An engine's first answer to a client takes longer.
        samples, beside = interleaved(bench.times(11, 2), ours, baseline, bench.say)
    yield Row(
        name="hello, nothing waits",
        unit=Unit.MS,
        ours=samples,
        baseline=beside,
        baseline_name=BASELINES[bench.engine],
        targets=(at_most_times(1.3),),
        remarks=typical_steps(timings),
    )


@contextmanager
def _bare_engine(bench: Bench) -> Generator[Callable[[], float], None, None]:
    """Give what makes one container like a sandbox, and returns how long that took."""
    if bench.engine == "oci":
        from tests.bench.oci_rates import BareRuntime  # noqa: PLC0415 - of this engine alone

        yield BareRuntime(bench.image).create_and_start
        return
    config = bare_config(bench.image)
    with engine() as api:
        yield lambda: create_and_start(api, config)


CASES = (
    Case(
        name="cold",
        measure=_measure,
        settings={"SANDBOX_POOL_SIZE": "0", "SANDBOX_POOL_MAX": "0"},
        in_short=False,
        needs_own=True,
    ),
)
