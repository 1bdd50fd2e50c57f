"""A table of 5 MB, uploaded once: read by reference, changed, and 4 MB fetched back."""

import tempfile
from functools import cache
from pathlib import Path

from tests.bench.cases import Bench, Case, Rows, interleaved
from tests.bench.client import Client, output_files
from tests.bench.fresh_run import NAME, run_in_folder
from tests.bench.programs import require_success
from tests.bench.reports import WrongAnswerError
from tests.bench.rows import Row, Unit, at_most
from tests.bench.samples import median, shown
from tests.bench.server_timing import storage_ms, typical_steps
from tests.live.running_service_caller import StoredFile

INPUT_BYTES = 5_000_000
SOURCE_NAME = "sales.csv"
RESULT_NAME = "totals.csv"

_PROGRAM = f"""\
import pandas as pd

sales = pd.read_csv("{SOURCE_NAME}")
sales["total"] = sales.units * sales.price
sales.drop(columns=["units", "comment"]).to_csv("{RESULT_NAME}", index=False)
print(len(sales))
"""

_HEADER = "day,shop,units,price,comment\n"
_RESULT_HEADER = "day,shop,price,total\n"


@cache
def tables() -> tuple[bytes, bytes, int]:
    """Return the table, what the program makes of it, and how many rows it has."""
    source, result = [_HEADER], [_RESULT_HEADER]
    size, number = len(_HEADER), 0
    while size < INPUT_BYTES:
        day, shop = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}", f"shop-{number % 97:02}"
        units, price = number % 89 + 10, number * 7919 % 90_000 + 10_000
        line = f"{day},{shop},{units},{price},{'paid by card'[: 7 + number % 6]}\n"
        source.append(line)
        result.append(f"{day},{shop},{price},{units * price}\n")
        size += len(line)
        number += 1
    return "".join(source).encode(), "".join(result).encode(), number


def _measure(bench: Bench) -> Rows:
    source, _, _ = tables()
    with bench.subject.client() as client:
        file, _ = client.upload(SOURCE_NAME, source)
    downloads: list[float] = []
    walls: list[float] = []
    timings: list[str] = []

    def ours() -> float:
        bench.subject.rest.wait()
        with bench.subject.client() as client:
            run_ms, download_ms, wall_ms, timing = _transform(client, file)
        downloads.append(download_ms)
        walls.append(wall_ms)
        timings.append(timing)
        return run_ms + download_ms

    def baseline() -> float:
        bench.subject.rest.wait()
        return _fresh(bench.image)

    samples, beside = interleaved(bench.times(7, 2), ours, baseline, bench.say)
    yield Row(
        name="5 MB CSV in by reference, 4 MB out",
        unit=Unit.MS,
        ours=samples,
        baseline=beside,
        baseline_name=f"{NAME}, a mounted folder",
        targets=(at_most(250),),
        remarks={
            "program": f"{shown(median(walls))} ms",
            "download": f"{shown(median(downloads))} ms",
            **typical_steps(timings),
        },
    )
    stored = [
        spent + download
        for timing, download in zip(timings, downloads, strict=True)
        if (spent := storage_ms(timing)) is not None
    ]
    if stored:
        yield Row(
            name="of that: storage",
            unit=Unit.MS,
            ours=tuple(stored),
            targets=(at_most(60),),
            remarks={"counted": "inputs and outputs by Server-Timing, and the download"},
        )


def _transform(client: Client, file: StoredFile) -> tuple[float, float, float, str]:
    """Run the program and fetch its result; return how long each took, and the header."""
    _, expected, rows = tables()
    answer = client.exec("py", _PROGRAM, file)
    said = answer.json()
    require_success(said)
    found = output_files(said).get(RESULT_NAME)
    if said["stdout"] != f"{rows}\n" or found is None:
        raise WrongAnswerError(f"printed {said['stdout'][:100]!r}, files {said['files']}")
    downloaded = client.download(found)
    if downloaded.content() != expected:
        raise WrongAnswerError(f"the result is another: {len(downloaded.body)} bytes")
    return answer.took_ms, downloaded.took_ms, float(said["wall_time"]), answer.server_timing


def _fresh(image: str) -> float:
    source, expected, rows = tables()
    with tempfile.TemporaryDirectory(prefix="code-command-bench-") as folder:
        place = Path(folder)
        (place / SOURCE_NAME).write_bytes(source)
        stdout, took_ms = run_in_folder(image, place, ("python3", "-c", _PROGRAM))
        if stdout != f"{rows}\n" or (place / RESULT_NAME).read_bytes() != expected:
            raise WrongAnswerError("the fresh run made another table")
    return took_ms


CASES = (Case(name="csv", measure=_measure),)
