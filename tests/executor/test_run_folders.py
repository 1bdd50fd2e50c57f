"""Empty folders survive from run to run by their markers (librechat-contract 3.5, trap 49)."""

import dataclasses

import pytest

from executor.messages import FileEntry, Finished
from tests.executor.workbench import TENANT, Workbench, request

pytestmark = pytest.mark.anyio


def names(result: Finished) -> list[str]:
    return [entry.name for entry in result.files]


async def marker(bench: Workbench, name: str, *, read_only: bool = False) -> FileEntry:
    return await bench.upload(name, b"", read_only=read_only)


class TestNewOnes:
    async def test_the_marker_is_a_file_like_any_other(self, bench: Workbench) -> None:
        asked = request("mkdir -p reports/q1")

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        (entry,) = report.result.files
        assert (entry.name, entry.size_bytes) == ("reports/q1/.dirkeep", 0)
        assert entry.storage_session_id == asked.session_id
        assert (entry.inherited, entry.modified_from) == (False, None)
        assert await bench.content(entry) == b""

    async def test_they_come_after_all_files(self, bench: Workbench) -> None:
        kept = await bench.upload("z.csv")

        result = await bench.run("mkdir a; touch b", kept)

        assert names(result) == ["b", "z.csv", "a/.dirkeep"]

    async def test_where_there_is_no_room_they_go_first(self, bench: Workbench) -> None:
        kept = await bench.upload("in.csv")
        old = await marker(bench, "old/.dirkeep")
        bench.limits = dataclasses.replace(bench.limits, files=3)
        asked = request("mkdir a b; touch x", kept, old)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert names(report.result) == ["x", "in.csv", "a/.dirkeep"]
        assert report.result.skip_reasons == ("empty_directory", "not_listed")
        assert report.result.stderr == ""
        files = [key for key in bench.store.keys if f"{asked.session_id}/files/" in key]
        assert len(files) == 2  # What is not listed is not stored.

    async def test_one_refused_by_storage_is_counted(self, bench: Workbench) -> None:
        bench.store.refused_puts = {2}

        result = await bench.run("touch a; mkdir b")

        assert names(result) == ["a"]
        assert result.delivery is not None
        assert result.delivery.failed == 1


class TestNextTime:
    async def test_the_folder_is_there_and_empty(self, bench: Workbench) -> None:
        first = await bench.run("mkdir -p reports/q1")

        second = await bench.run("ls -A reports reports/q1", *first.files)

        assert second.stdout == "reports:\nq1\n\nreports/q1:\n"
        assert second.files == (first.files[0].model_copy(update={"inherited": True}),)

    async def test_it_can_be_removed_like_an_empty_folder(self, bench: Workbench) -> None:
        kept = await marker(bench, "out/.dirkeep")

        result = await bench.run("rmdir out", kept)

        assert (result.files, result.deleted_files) == ((), ("out/.dirkeep",))

    async def test_its_marker_stays_while_files_lie_in_it_and_after(
        self, bench: Workbench
    ) -> None:
        kept = await marker(bench, "out/.dirkeep")

        filled = await bench.run("touch out/a", kept)
        emptied = await bench.run("rm out/a", *filled.files)

        assert names(filled) == ["out/a", "out/.dirkeep"]
        assert names(emptied) == ["out/.dirkeep"]
        assert emptied.files[0].id == kept.id
        assert emptied.deleted_files == ("out/a",)

    async def test_one_that_lost_its_inputs_gets_a_marker(self, bench: Workbench) -> None:
        uploaded = await bench.upload("out/a.csv")

        result = await bench.run("rm out/a.csv", uploaded)

        assert names(result) == ["out/.dirkeep"]
        assert result.deleted_files == ("out/a.csv",)

    async def test_a_read_only_one_stays_though_its_folder_is_gone(
        self, bench: Workbench
    ) -> None:
        kept = await marker(bench, "out/.dirkeep", read_only=True)

        result = await bench.run("rmdir out", kept)

        assert names(result) == ["out/.dirkeep"]
        assert result.deleted_files == ()

    async def test_a_removed_one_is_in_the_record(self, bench: Workbench) -> None:
        kept = await marker(bench, "out/.dirkeep")
        asked = request("rmdir out", kept)

        await bench.report(asked)

        assert (await bench.sessions.load(TENANT, asked.session_id)).inputs == (kept,)
