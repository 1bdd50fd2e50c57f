"""Files that object storage refuses: what the program did is worth more than an error."""

import logging

import pytest

from executor.delivery import GIVE_UP_AFTER, HELD_BYTES
from executor.messages import Delivery, Finished
from tests.executor.workbench import TENANT, Workbench, request

pytestmark = pytest.mark.anyio

FILES = 6
MAKE_FILES = f"echo out; for n in $(seq {FILES}); do echo $n > $n.txt; done"


def names(result: Finished) -> list[str]:
    return [entry.name for entry in result.files]


class TestSomeAreRefused:
    async def test_the_others_are_kept_and_it_is_told(self, bench: Workbench) -> None:
        bench.store.refused_puts = {2, 4}
        asked = request(MAKE_FILES)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        result = report.result
        assert result.stdout == "out\n"
        assert result.delivery == Delivery(attempted=6, delivered=4)
        assert len(result.files) == 4
        record = await bench.sessions.load(TENANT, asked.session_id)
        assert record.files == result.files
        for entry in result.files:
            assert await bench.content(entry) == f"{entry.name[0]}\n".encode()

    async def test_stderr_names_them(self, bench: Workbench) -> None:
        bench.store.refused_puts = {1}

        result = await bench.run("echo 1 > only.txt; echo said >&2")

        assert result.stderr == (
            "said\n\n[sandbox] 1 file was lost, because storage failed: only.txt;"
            " run the program again\n"
        )

    @pytest.mark.parametrize("size_bytes", [1, HELD_BYTES + 1, 5 * HELD_BYTES])
    async def test_the_files_after_one_are_whole_however_large_it_was(
        self, bench: Workbench, size_bytes: int
    ) -> None:
        bench.store.refused_puts = {1}

        result = await bench.run(f"head -c {size_bytes} /dev/zero > a; echo whole > b")

        assert names(result) == ["b"]
        assert await bench.content(result.files[0]) == b"whole\n"

    async def test_a_changed_input_is_not_called_unchanged(self, bench: Workbench) -> None:
        uploaded = await bench.upload("data.csv")
        bench.store.refused_puts = {1}
        asked = request("echo >> data.csv", uploaded)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert (report.result.files, report.result.deleted_files) == ((), ())
        record = await bench.sessions.load(TENANT, asked.session_id)
        assert record.inputs == (uploaded,)

    async def test_nothing_is_told_where_nothing_is_lost(self, bench: Workbench) -> None:
        result = await bench.run(MAKE_FILES)

        assert result.delivery is None
        assert result.stderr == ""


class TestAllAreRefused:
    @pytest.mark.parametrize("stored", range(FILES + 1))
    async def test_whenever_storage_goes_away_nothing_is_promised_that_cannot_be_had(
        self, bench: Workbench, stored: int
    ) -> None:
        """The files and the record: without the record, nobody finds the files."""
        bench.store.puts_until_fault = stored
        asked = request(MAKE_FILES)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert report.result.stdout == "out\n"
        assert report.result.files == ()
        assert report.result.delivery == Delivery(attempted=FILES, delivered=0)
        assert bench.store.keys == set()

    async def test_inputs_that_lie_elsewhere_are_still_told(self, bench: Workbench) -> None:
        uploaded = await bench.upload("data.csv")
        bench.store.puts_until_fault = 0

        result = await bench.run(MAKE_FILES, uploaded)

        assert result.files == (uploaded.model_copy(update={"inherited": True}),)

    async def test_a_record_without_new_files_is_missed_by_nobody(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv")
        bench.store.puts_until_fault = 0

        result = await bench.run("echo out", uploaded)

        assert (result.stdout, result.stderr, result.delivery) == ("out\n", "", None)

    async def test_no_more_than_a_few_are_tried(self, bench: Workbench) -> None:
        """Each may take seconds to be refused."""
        bench.store.puts_until_fault = 0

        await bench.run("for n in $(seq 50); do head -c 1100000 /dev/zero > $n; done")

        assert len(bench.store.puts) == GIVE_UP_AFTER

    async def test_if_what_was_stored_cannot_be_removed_it_has_no_record(
        self, bench: Workbench
    ) -> None:
        bench.store.puts_until_fault = FILES
        bench.store.deleting_faults = True

        result = await bench.run(MAKE_FILES)

        assert result.files == ()
        assert not any(key.endswith("record.json") for key in bench.store.keys)

    async def test_the_log_says_what_storage_said_and_no_name(
        self, bench: Workbench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.store.puts_until_fault = 0

        with caplog.at_level(logging.WARNING):
            await bench.run("echo 1 > secret-name.txt")

        assert "S3 did not answer" in caplog.text
        assert "secret-name" not in caplog.text
