"""Cost against size: a bucket with 100,000 sessions, a session with 1,000 files."""

from tests.bench.cases import Bench, Case, Rows, Stopwatch, interleaved
from tests.bench.client import Client, output_files
from tests.bench.programs import require_success
from tests.bench.reports import WrongAnswerError
from tests.bench.rows import Row, Unit, at_most, at_most_times
from tests.bench.samples import median, shown
from tests.bench.subject import Subject, started_subject
from tests.live.running_service_caller import StoredFile

SESSIONS = 100_000
FILES = 1_000
NOISE = 1.15
"""Two series of a dozen runs on an idle machine differ by up to this."""

_CONTENT = b"a,b\n1,2\n"
_PROGRAM = 'cat small.csv && echo "3,4" >> small.csv'
_ANSWER = _CONTENT.decode()

LISTINGS = 5


def _measure(bench: Bench) -> Rows:
    sessions = bench.times(SESSIONS, 2_000)
    bench.say("starting a second service, whose bucket stays empty")
    with started_subject(bench.settings) as empty:
        yield _bucket_row(bench, empty, sessions)
    yield from _session_rows(bench)


def _bucket_row(bench: Bench, empty: Subject, sessions: int) -> Row:
    watch = Stopwatch()
    bench.subject.storage.add_records(
        sessions, lambda done: bench.say(f"{done} of {sessions} sessions are written")
    )
    filled_s = watch.ms / 1000
    inputs = {id(subject): _upload(subject) for subject in (bench.subject, empty)}

    def timed(subject: Subject) -> float:
        empty.rest.wait()
        bench.subject.rest.wait()
        with subject.client() as client:
            return _run(client, inputs[id(subject)])

    full_ms, empty_ms = interleaved(
        bench.times(9, 2), lambda: timed(bench.subject), lambda: timed(empty), bench.say
    )
    return Row(
        name=f"a run with a file, {sessions} sessions in the bucket",
        unit=Unit.MS,
        ours=full_ms,
        baseline=empty_ms,
        baseline_name="the same, empty bucket",
        targets=(at_most_times(NOISE),),
        remarks={"their records written in": f"{shown(filled_s)} s"},
    )


def _session_rows(bench: Bench) -> Rows:
    storage = bench.subject.storage
    names = ["small.csv", *(f"file-{number}.csv" for number in range(1, FILES))]
    large = storage.add_session((name, _CONTENT) for name in names)
    (small,) = storage.add_session([(names[0], _CONTENT)])

    def timed(file: StoredFile) -> float:
        bench.subject.rest.wait()
        with bench.subject.client() as client:
            return _run(client, file)

    of_large, of_small = interleaved(
        bench.times(9, 2), lambda: timed(large[0]), lambda: timed(small), bench.say
    )
    yield Row(
        name=f"a run with a file of a session of {FILES}",
        unit=Unit.MS,
        ours=of_large,
        baseline=of_small,
        baseline_name="the same, a session of one",
        targets=(at_most_times(NOISE),),
    )
    yield _listing_row(bench, large[0].session_id)


def _listing_row(bench: Bench, session_id: str) -> Row:
    path = f"/files/{session_id}?detail=full"
    with bench.subject.client() as client:
        answers = [client.ask("GET", path) for _ in range(LISTINGS)]
        page = client.ask("GET", f"{path}&limit=100").json()
    whole = answers[0].json()
    if len(whole) != len({file["id"] for file in whole}):
        raise WrongAnswerError("the listing names a file twice")
    took_ms = tuple(answer.took_ms for answer in answers)
    return Row(
        name=f"listing a session of {FILES}",
        unit=Unit.COUNT,
        ours=(len(page),),
        targets=(at_most(100),),
        remarks={
            "counted": "entries in a page of 100",
            "whole": f"{len(whole)} entries in {shown(median(took_ms))} ms",
        },
    )


def _upload(subject: Subject) -> StoredFile:
    with subject.client() as client:
        file, _ = client.upload("small.csv", _CONTENT)
    return file


def _run(client: Client, file: StoredFile) -> float:
    """Run a program that reads the file and changes it; return the milliseconds it took."""
    answer = client.exec("bash", _PROGRAM, file)
    said = answer.json()
    require_success(said)
    if said["stdout"] != _ANSWER or file.name not in output_files(said):
        raise WrongAnswerError(f"printed {said['stdout'][:100]!r}")
    return answer.took_ms


CASES = (Case(name="scale", measure=_measure, in_short=False, needs_own=True),)
