"""A file of 40 MB, in and out, beside what the storage server gives a bare client."""

import secrets
from dataclasses import dataclass, field

from tests.bench.bare_storage import BareStorage
from tests.bench.cases import Bench, Case, Rows
from tests.bench.client import Client, output_files
from tests.bench.programs import require_success
from tests.bench.reports import WrongAnswerError
from tests.bench.rows import Row, Unit, at_least_times
from tests.live.running_service_caller import StoredFile

SIZE_BYTES = 40_000_000
BYTES_PER_MB = 1_000_000
NAME = "big.bin"
COPY_NAME = "copy.bin"
_KEY = "bench/bare"


def throughput(size_bytes: int, took_ms: float) -> float:
    """Return megabytes a second."""
    return size_bytes / BYTES_PER_MB / (took_ms / 1000)


@dataclass(slots=True)
class _Series:
    ours: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])

    def row(self, name: str, baseline_name: str) -> Row:
        return Row(
            name=name,
            unit=Unit.THROUGHPUT,
            ours=tuple(self.ours),
            baseline=tuple(self.bare),
            baseline_name=baseline_name,
            targets=(at_least_times(0.5),),
        )


def _measure(bench: Bench) -> Rows:
    storage = bench.subject.storage
    into, out, through = _Series(), _Series(), _Series()
    count = bench.times(5, 1)
    for number in range(count):
        bench.say(f"{number + 1} of {count}")
        content = secrets.token_bytes(SIZE_BYTES)
        put_ms, get_ms = _bare(storage, content)
        into.bare.append(throughput(SIZE_BYTES, put_ms))
        out.bare.append(throughput(SIZE_BYTES, get_ms))
        through.bare.append(throughput(2 * SIZE_BYTES, put_ms + get_ms))
        bench.subject.rest.wait()
        with bench.subject.client() as client:
            file, uploaded = client.upload(NAME, content)
            into.ours.append(throughput(SIZE_BYTES, uploaded.took_ms))
            out.ours.append(throughput(SIZE_BYTES, _download(client, file, content)))
            through.ours.append(throughput(2 * SIZE_BYTES, _copy(client, file, content)))
    yield into.row("40 MB upload", "obstore put")
    yield out.row("40 MB download", "obstore get")
    yield through.row("40 MB into a run and out of it", "obstore get and put")


def _bare(storage: BareStorage, content: bytes) -> tuple[float, float]:
    put_ms = storage.put(_KEY, content)
    found, get_ms = storage.get(_KEY)
    if found != content:
        raise WrongAnswerError("object storage returned something else")
    return put_ms, get_ms


def _download(client: Client, file: StoredFile, content: bytes) -> float:
    downloaded = client.download(file)
    if downloaded.content() != content:
        raise WrongAnswerError(f"{file.name} came back changed")
    return downloaded.took_ms


def _copy(client: Client, file: StoredFile, content: bytes) -> float:
    """Have a program copy the file; return the milliseconds from the request to the answer."""
    answer = client.exec("bash", f"cp {NAME} {COPY_NAME}", file)
    said = answer.json()
    require_success(said)
    copied = output_files(said).get(COPY_NAME)
    if copied is None:
        raise WrongAnswerError(f"there is no {COPY_NAME}: {said['stderr'][-200:]!r}")
    _download(client, copied, content)
    return answer.took_ms


CASES = (Case(name="big-file", measure=_measure, in_short=False, needs_own=True),)
