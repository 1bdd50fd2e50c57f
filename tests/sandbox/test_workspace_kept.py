"""Which files are kept by their names, and how those that are not are told."""

from pathlib import Path

import pytest

from sandbox.supervisor import workspace as module
from sandbox.supervisor.scan import kind_of
from sandbox.supervisor.skips import HARMLESS, MAX_NAMED_SKIPS, SkipReason, Skips
from tests.sandbox.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestExtensions:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.csv", "csv"),
            ("A.CSV", "csv"),
            ("a/b.tar.gz", "gz"),
            ("Dockerfile", "dockerfile"),
            ("dir.d/Makefile", "makefile"),
            (".env", "env"),
            (".env.local", "local"),
            ("ends.", "ends."),
        ],
    )
    def test_they_are_lower_case_and_otherwise_whole_names(self, name: str, kind: str) -> None:
        assert kind_of(name) == kind

    def test_without_any_every_regular_file_is_kept(self, folder: Folder) -> None:
        for name in ("a.csv", "Makefile", "model.pkl", ".env"):
            folder.write(name)

        assert folder.outputs() == [".env", "Makefile", "a.csv", "model.pkl"]

    def test_with_some_the_others_are_skipped_and_told(self, folder: Folder) -> None:
        for name in ("a.CSV", "Dockerfile", "model.pkl", ".env"):
            folder.write(name)

        found = folder.collect(extensions=("csv", "dockerfile", "env"))

        assert [output.name for output in found.outputs] == [".env", "Dockerfile", "a.CSV"]
        assert found.skipped == [("model.pkl", SkipReason.EXTENSION_NOT_KEPT)]

    def test_an_input_that_is_left_alone_needs_none(self, folder: Folder) -> None:
        folder.put("same.pkl")
        folder.put("changed.pkl")
        folder.write("changed.pkl", b"other")

        found = folder.collect(extensions=("csv",))

        assert found.unchanged == ["same.pkl"]
        assert found.skipped == [("changed.pkl", SkipReason.EXTENSION_NOT_KEPT)]

    def test_files_that_are_not_kept_take_no_place(self, folder: Folder) -> None:
        for number in range(60):
            folder.write(f"{number:02}.tmp")
        folder.write("z.csv")

        assert [output.name for output in folder.collect(extensions=("csv",)).outputs] == [
            "z.csv"
        ]


class TestInputs:
    def test_one_left_alone_is_unchanged_whatever_the_limits(self, folder: Folder) -> None:
        folder.put("a/b/large.bin", bytes(20_000))

        found = folder.collect(depth=2, path_chars=3)

        assert (found.unchanged, found.skipped_count) == (["a/b/large.bin"], 0)

    def test_one_replaced_by_a_folder_is_deleted(self, folder: Folder) -> None:
        folder.put("data.csv")
        (folder.root / "data.csv").unlink()
        folder.write("data.csv/x")

        found = folder.collect()

        assert (found.deleted, found.outputs) == (["data.csv"], [("data.csv/x", 3)])

    def test_one_behind_a_linked_folder_is_deleted(self, folder: Folder) -> None:
        folder.put("a/data.csv")
        (folder.root / "a").rename(folder.root / "b")
        (folder.root / "a").symlink_to("b")

        found = folder.collect()

        assert found.deleted == ["a/data.csv"]
        assert found.outputs == [("b/data.csv", 5)]

    def test_every_input_of_a_deleted_folder_is_named(self, folder: Folder) -> None:
        for name in ("a/x", "a/b/y", "c"):
            folder.put(name)
        for name in ("a/b/y", "a/x"):
            (folder.root / name).unlink()

        assert folder.collect().deleted == ["a/b/y", "a/x"]

    def test_one_that_cannot_be_read_any_more_is_not_called_unchanged(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.put("data.csv")
        monkeypatch.setattr(module.os, "open", _fails)

        found = folder.collect()

        assert (found.unchanged, found.deleted) == ([], [])
        assert found.outputs == [("data.csv", 5)]


def _fails(*_: object) -> int:
    raise OSError(24, "Too many open files")


class TestSkips:
    def test_what_would_be_missed_is_named_first(self) -> None:
        skips = Skips()
        for number in range(30):
            skips.add(f"link{number}", SkipReason.NOT_A_REGULAR_FILE)
        skips.add("big.bin", SkipReason.FILE_TOO_LARGE)

        assert len(skips.named) == MAX_NAMED_SKIPS
        assert skips.named[0] == ("big.bin", SkipReason.FILE_TOO_LARGE)
        assert (skips.total, skips.missed) == (31, 1)

    def test_it_can_go_on_where_another_left_off(self) -> None:
        first = Skips()
        first.add("a", SkipReason.TOTAL_SIZE)

        second = Skips(first.named, first.counts)
        second.add("b", SkipReason.TOTAL_SIZE)

        assert second.named == [("a", "total_size"), ("b", "total_size")]
        assert (first.total, second.total) == (1, 2)

    def test_what_is_harmless_is_no_ones_work(self) -> None:
        assert {reason.value for reason in HARMLESS} == {
            "not_a_regular_file",
            "hidden_directory",
            "empty_directory",
            "not_listed",
        }
