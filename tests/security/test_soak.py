"""Nothing piles up over thousands of runs, one after the other."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.running_service import (
    POLL_INTERVAL_S,
    RunningService,
    eventually,
    running_service,
)
from tests.live.running_service_caller import Caller, stored_files
from tests.security import soak

pytestmark = [pytest.mark.docker, pytest.mark.alone]

GIVEN = int(os.environ.get("SOAK_RUNS") or 0)
"""10000 makes the long form, with both engines: a quarter of an hour with `oci` alone."""

RUNS = {"oci": GIVEN or 2_000, "docker": GIVEN or 400}
"""The Docker engine makes so much fewer containers a second that it has the smaller share."""

WARM_UP = {"oci": 200, "docker": 60}
"""Until then pools, connections and caches grow to their size."""

WITH_FILES_EVERY = 20
"""Of the runs, one in so many has a file going in, one coming out, and both deleted."""

MORE_DESCRIPTORS = 3
"""Idle connections come and go: by one or two, in 400 runs as in 10,000."""
MORE_THREADS = 6
"""Pools of threads grow to their size, up to three more, when they are first needed."""
MORE_MB = 12.0
"""Of our processes and the broker. They have grown by 2 MB at most, in 10,000 runs."""
MORE_MB_OF_STORAGE = 400.0
"""The object store's heap, collected now and then by Go: 141 MB grow to 405 within 4,000 runs,
of which 200 had files, and are 307 after 10,000. What does not end would be past this soon."""

SETTLE_S = 60


@pytest.fixture(params=["oci", "docker"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The processes' own folder for files that come and go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def service(engine: str, temporary: Path, tmp_path: Path) -> Iterator[RunningService]:
    settings = {
        "SANDBOX_ENGINE": engine,
        "SANDBOX_POOL_SIZE": "4",
        "TMPDIR": str(temporary),
        "LOG_LEVEL": "WARNING",
    }
    with running_service(tmp_path / "work", settings) as service:
        yield service


@pytest.mark.case(61)
@pytest.mark.timeout(120 + max(RUNS.values()) * 2)
def test_thousands_of_runs_leave_nothing_behind(
    service: RunningService, engine: str, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with service.caller() as caller:
        run_many(caller, WARM_UP[engine])
        rest(service, engine)
        before = settled(service, temporary)
        began_at = time.monotonic()
        run_many(caller, RUNS[engine])
        took_s = time.monotonic() - began_at
        rest(service, engine)
        after = settled(service, temporary, like=before)

    title = f"\n{engine}: {RUNS[engine]} runs, one after the other, in {took_s:.0f} s"
    with capsys.disabled():
        print(soak.table(before, after, title=title))  # noqa: T201 - the report
    assert {n: c for n, c in after.host.items() if c > before.host[n]} == {}
    for name, held in before.processes.items():
        now = after.processes[name]
        assert now.descriptors <= held.descriptors + MORE_DESCRIPTORS, name
        assert now.threads <= held.threads + MORE_THREADS, name
        more_mb = MORE_MB_OF_STORAGE if name == "weed" else MORE_MB
        assert now.resident_mb <= held.resident_mb + more_mb, name


def settled(
    service: RunningService, temporary: Path, *, like: soak.Sample | None = None
) -> soak.Sample:
    """Wait until the host has no more than in a former sample, or is tidy; return what it has.

    Equal it need not be: a helper that was just ending, or another program's mount, counts.
    """
    give_up_at = time.monotonic() + SETTLE_S
    while True:
        sample = soak.take(service, temporary)
        most = {soak.ORPHANS: 0} if like is None else like.host
        if all(sample.host[name] <= count for name, count in most.items()):
            return sample
        if time.monotonic() > give_up_at:
            return sample  # Whoever asked tells what is too much.
        time.sleep(POLL_INTERVAL_S)


def run_many(caller: Caller, count: int) -> None:
    for number in range(count):
        if number % WITH_FILES_EVERY:
            assert caller.run(f"print({number})")["stdout"] == f"{number}\n"
        else:
            run_with_files(caller, number)


def run_with_files(caller: Caller, number: int) -> None:
    """Bring a file, have it changed, and delete everything of it."""
    given = caller.upload("in.txt", str(number).encode())
    answer = caller.run("open('out.txt', 'w').write(open('in.txt').read() * 2)", given)
    made = stored_files(answer)["out.txt"]
    assert caller.download(made) == str(number).encode() * 2
    for session_id in (given.session_id, made.session_id):
        assert caller.http.delete(f"/sessions/{session_id}").status_code == 200


def rest(service: RunningService, engine: str) -> None:
    """Wait until nothing runs and as many sandboxes wait as always do."""
    if engine == "docker":
        service.rest()
        return
    eventually(
        lambda: len(soak.oci_view.boxes_of(soak.owner_of(service))) == service.pool_size,
        "the pool is full and no more",
    )
