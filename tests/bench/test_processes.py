"""What the bench reads of /proc, shown with processes of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.bench.processes import processor_s, proportional_mb, resident_mb, threads
from tests.bench.reports import BenchError

HOLDS_50_MB = (
    "held = bytearray(50_000_000).replace(b'0', b'1'); print('ready', flush=True); input()"
)


@pytest.fixture
def holder() -> Iterator[int]:
    """A process that holds 50 MB."""
    with subprocess.Popen(
        (sys.executable, "-c", HOLDS_50_MB), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_memory_is_in_millions_of_bytes(holder: int) -> None:
    assert 55 < resident_mb(holder) < 100
    assert 50 < proportional_mb(holder) <= resident_mb(holder)


def test_threads_are_counted() -> None:
    before, release = threads(os.getpid()), threading.Event()
    worker = threading.Thread(target=release.wait)
    worker.start()

    assert threads(os.getpid()) == before + 1

    release.set()
    worker.join()


def test_processor_time_grows_with_work() -> None:
    before = processor_s(os.getpid())
    while processor_s(os.getpid()) < before + 0.02:
        sum(range(10_000))

    assert before < processor_s(os.getpid()) < before + 5


def test_a_process_that_is_gone_is_no_process_without_memory() -> None:
    with subprocess.Popen((sys.executable, "-c", "")) as process:
        process.wait()

    for read in (resident_mb, threads, proportional_mb, processor_s):
        with pytest.raises(BenchError):
            read(process.pid)
