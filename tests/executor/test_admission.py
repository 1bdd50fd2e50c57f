"""When a host takes new runs, and how it counts what it has."""

from pathlib import Path
from typing import Any

import pytest

from executor.admission import ENDING, Admission, Reserve
from executor.host_memory import available_memory, total_memory
from executor.intake import Intake

GIB = 1 << 30
NOTHING = Reserve(memory_bytes=0, disk_bytes=0)


class Consumer:
    """Celery's, which does at once what it is told to do soon."""

    def __init__(self) -> None:
        self.queues = {"runs"}
        self.is_connected = True

    def call_soon(self, change: Any) -> None:
        change()

    def add_task_queue(self, queue: str) -> None:
        self._require_connection()
        self.queues.add(queue)

    def cancel_task_queue(self, queue: str) -> None:
        self._require_connection()
        self.queues.discard(queue)

    def _require_connection(self) -> None:
        if not self.is_connected:
            raise ConnectionError


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


@pytest.fixture
def intake(consumer: Consumer) -> Intake:
    intake = Intake(["runs"])
    intake.attach(consumer)
    return intake


class TestAdmission:
    def test_one_that_makes_no_sandboxes_takes_no_runs_until_it_does(
        self, intake: Intake, consumer: Consumer
    ) -> None:
        admission = Admission(intake, NOTHING, makes_ahead=True)

        assert admission.judge("no image") == "no image"
        assert consumer.queues == set()
        assert admission.judge("") == ""
        assert consumer.queues == {"runs"}

    def test_one_that_makes_none_ahead_finds_out_with_runs_alone(
        self, intake: Intake, consumer: Consumer
    ) -> None:
        assert Admission(intake, NOTHING, makes_ahead=False).judge("no image") == ""
        assert consumer.queues == {"runs"}

    def test_one_that_ends_takes_none(self, intake: Intake, consumer: Consumer) -> None:
        admission = Admission(intake, NOTHING, makes_ahead=True)
        admission.end()

        assert admission.judge("") == ENDING
        assert consumer.queues == set()

    def test_what_celery_could_not_do_is_done_at_the_next_look(
        self, intake: Intake, consumer: Consumer
    ) -> None:
        admission = Admission(intake, NOTHING, makes_ahead=True)
        consumer.is_connected = False
        admission.judge("no image")
        assert consumer.queues == {"runs"}

        consumer.is_connected = True
        admission.judge("no image")

        assert consumer.queues == set()

    @pytest.mark.parametrize("least", [0, 1 << 60])
    def test_one_on_a_host_without_memory_is_short(self, intake: Intake, least: int) -> None:
        reserve = Reserve(memory_bytes=least, disk_bytes=0)
        admission = Admission(intake, reserve, makes_ahead=True)
        admission.judge("")

        assert admission.is_short == (least > 0)


class TestReserve:
    def test_what_there_is_enough_of_is_not_short(self, tmp_path: Path) -> None:
        assert Reserve(memory_bytes=1, disk_bytes=1).shortage(tmp_path) == ""

    def test_what_is_short_is_named_with_its_figures(self, tmp_path: Path) -> None:
        of_memory = Reserve(memory_bytes=1 << 60, disk_bytes=0).shortage(tmp_path)
        of_disk = Reserve(memory_bytes=0, disk_bytes=1 << 60).shortage(tmp_path)

        assert of_memory.startswith("memory is short: ")
        assert of_memory.endswith(f"EXECUTOR_MIN_FREE_MEMORY is {1 << 60}")
        assert of_disk.startswith("disk is short: ")
        assert f"below {tmp_path}" in of_disk

    def test_a_disk_that_is_not_to_be_seen_from_here_is_nobodys_fault(
        self, tmp_path: Path
    ) -> None:
        reserve = Reserve(memory_bytes=0, disk_bytes=1 << 60)

        assert reserve.shortage(None) == ""
        assert reserve.shortage(tmp_path / "of-another-host") == ""


class TestHostMemory:
    def test_it_is_what_the_kernel_counts(self, tmp_path: Path) -> None:
        source = tmp_path / "meminfo"
        source.write_text("MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 1048576 kB\n")

        assert (total_memory(source), available_memory(source)) == (4 * GIB, GIB)

    def test_a_kernel_that_says_nothing_is_not_one_that_has_nothing(
        self, tmp_path: Path
    ) -> None:
        assert available_memory(tmp_path / "absent") is None

    def test_of_this_host_some_is_available(self) -> None:
        total, available = total_memory(), available_memory()

        assert total is not None
        assert available is not None
        assert 0 < available <= total
