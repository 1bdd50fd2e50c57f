"""Which files come back after a run (librechat-contract 3.5), told from a folder on disk."""

import os
from pathlib import Path

import pytest

from sandbox.supervisor.skips import SkipReason
from sandbox.supervisor.workspace import Collection
from tests.sandbox.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def is_nothing(found: Collection) -> bool:
    return not any((found.outputs, found.unchanged, found.deleted, found.skipped_count))


class TestClassification:
    def test_an_untouched_workspace_leaves_nothing(self, folder: Folder) -> None:
        assert is_nothing(folder.collect())

    def test_a_new_file_is_an_output_with_its_size(self, folder: Folder) -> None:
        folder.write("plots/trend.png", b"12345")

        assert folder.collect().outputs == [("plots/trend.png", 5)]

    def test_an_input_left_alone_is_unchanged(self, folder: Folder) -> None:
        folder.put("a/data.csv")

        found = folder.collect()

        assert found.unchanged == ["a/data.csv"]
        assert found.outputs == []

    def test_a_read_only_input_has_a_mode_that_says_so(self, folder: Folder) -> None:
        folder.put("skill/SKILL.md", read_only=True)
        folder.put("data.csv")

        assert (folder.root / "skill/SKILL.md").stat().st_mode & 0o777 == 0o444
        assert (folder.root / "data.csv").stat().st_mode & 0o200
        assert folder.collect().unchanged == ["data.csv", "skill/SKILL.md"]

    def test_so_may_an_empty_folders_marker_be(self, folder: Folder) -> None:
        folder.put("empty/.dirkeep", b"", read_only=True)

        assert not any((folder.root / "empty").iterdir())

    def test_an_input_rewritten_with_the_same_bytes_is_unchanged(self, folder: Folder) -> None:
        folder.put("data.csv", b"1,2")
        folder.write("data.csv", b"1,2")

        assert folder.collect().unchanged == ["data.csv"]

    def test_an_appended_input_is_changed(self, folder: Folder) -> None:
        folder.put("data.csv", b"1,2")
        folder.write("data.csv", b"1,2\n")

        found = folder.collect()

        assert found.outputs == [("data.csv", 4)]
        assert found.unchanged == []

    def test_same_size_and_time_but_other_content_counts_as_changed(
        self, folder: Folder
    ) -> None:
        folder.put("data.csv", b"1,2")
        path = folder.root / "data.csv"
        before = path.stat()
        path.write_bytes(b"3,4")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        assert folder.outputs() == ["data.csv"]

    def test_an_input_replaced_by_rename_is_judged_by_its_content(self, folder: Folder) -> None:
        folder.put("same", b"same")
        folder.put("other", b"other")
        folder.write("x", b"same").rename(folder.root / "same")
        folder.write("y", b"changed").rename(folder.root / "other")

        found = folder.collect()

        assert found.unchanged == ["same"]
        assert found.outputs == [("other", 7)]

    def test_a_removed_input_is_deleted(self, folder: Folder) -> None:
        folder.put("a/data.csv")
        (folder.root / "a" / "data.csv").unlink()

        assert folder.collect().deleted == ["a/data.csv"]

    def test_a_moved_input_is_deleted_here_and_new_there(self, folder: Folder) -> None:
        folder.put("old.csv")
        (folder.root / "old.csv").rename(folder.root / "new.csv")

        found = folder.collect()

        assert (found.deleted, found.outputs) == (["old.csv"], [("new.csv", 5)])

    def test_an_input_that_cannot_be_kept_is_skipped_and_not_called_deleted(
        self, folder: Folder
    ) -> None:
        folder.put("data.csv")
        folder.write("data.csv", b"x" * 20_000)

        found = folder.collect()

        assert found.deleted == found.unchanged == found.outputs == []
        assert [name for name, _ in found.skipped] == ["data.csv"]

    def test_empty_files_are_files(self, folder: Folder) -> None:
        folder.put("input", b"")
        folder.write("output", b"")

        found = folder.collect()

        assert (found.unchanged, found.outputs) == (["input"], [("output", 0)])

    def test_non_ascii_names_with_spaces_survive(self, folder: Folder) -> None:
        folder.write("año nuevo/Übersicht 🎉.txt")

        assert folder.outputs() == ["año nuevo/Übersicht 🎉.txt"]

    def test_an_output_is_read_as_it_was_left(self, folder: Folder) -> None:
        folder.write("a.bin", bytes(range(256)))

        with folder.workspace.open_output("a.bin") as file:
            assert file.read() == bytes(range(256))


class TestEntryFile:
    def test_it_is_beside_the_inputs(self, folder: Folder) -> None:
        path = folder.workspace.write_entry("main.py", b"print(1)")

        assert path == str(folder.root / "main.py")
        assert Path(path).read_bytes() == b"print(1)"

    def test_it_is_not_reported(self, folder: Folder) -> None:
        folder.workspace.write_entry("main.py", b"print(1)")

        assert is_nothing(folder.collect())

    def test_it_is_reported_once_the_program_changes_it(self, folder: Folder) -> None:
        folder.workspace.write_entry("main.py", b"print(1)")
        folder.write("main.py", b"print(2)")

        assert folder.collect().outputs == [("main.py", 8)]

    def test_removing_it_deletes_no_input(self, folder: Folder) -> None:
        Path(folder.workspace.write_entry("main.py", b"print(1)")).unlink()

        assert folder.collect().deleted == []

    @pytest.mark.parametrize("name", ["main.py", "main.py/inner.txt"])
    def test_an_input_of_its_name_stays_and_the_entry_goes_elsewhere(
        self, folder: Folder, name: str
    ) -> None:
        folder.put(name, b"the user's own")

        path = Path(folder.workspace.write_entry("main.py", b"print(1)"))
        try:
            assert path.parent != folder.root
            assert path.read_bytes() == b"print(1)"
        finally:
            path.unlink()
        assert (folder.root / name).read_bytes() == b"the user's own"
        assert folder.collect().unchanged == [name]


class TestHiddenFolders:
    def test_they_are_left_out(self, folder: Folder) -> None:
        folder.write(".cache/deep/x.bin")
        folder.write(".cache/deep/y.bin")
        folder.write("a/.git/config")

        found = folder.collect()

        assert found.outputs == []
        assert found.skipped == [
            (".cache/", SkipReason.HIDDEN_DIRECTORY),
            ("a/.git/", SkipReason.HIDDEN_DIRECTORY),
        ]
        assert (found.skipped_count, found.skips.missed) == (2, 0)

    def test_empty_ones_are_nothing_to_speak_of(self, folder: Folder) -> None:
        (folder.root / ".cache").mkdir()

        assert is_nothing(folder.collect())

    def test_hidden_files_are_kept(self, folder: Folder) -> None:
        folder.write(".env")

        assert folder.outputs() == [".env"]

    def test_one_that_holds_an_input_is_looked_into(self, folder: Folder) -> None:
        folder.put(".config/app/settings.toml")
        folder.write(".config/app/new.toml")
        folder.write(".config/other.toml")
        folder.write(".config/.secret/x")

        found = folder.collect()

        assert found.unchanged == [".config/app/settings.toml"]
        assert [output.name for output in found.outputs] == [
            ".config/app/new.toml",
            ".config/other.toml",
        ]

    @pytest.mark.parametrize("name", ["_ptc_history.json", "a/_ptc_history.json"])
    def test_the_reserved_name_is_never_reported(self, folder: Folder, name: str) -> None:
        folder.write(name)

        assert is_nothing(folder.collect())


class TestInputs:
    def test_a_second_input_of_the_same_name_is_refused(self, folder: Folder) -> None:
        folder.put("a")

        with pytest.raises(FileExistsError):
            folder.put("a")

    def test_an_input_inside_another_is_refused(self, folder: Folder) -> None:
        folder.put("a")

        with pytest.raises((FileExistsError, NotADirectoryError)):
            folder.put("a/b")
