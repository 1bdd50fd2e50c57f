"""Empty folders, and the markers that stand for them (librechat-contract 3.5, trap 49)."""

from pathlib import Path

import pytest

from sandbox.supervisor.skips import SkipReason
from sandbox.supervisor.workspace import is_marker
from tests.sandbox.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestNewOnes:
    def test_an_empty_folder_is_an_empty_marker(self, folder: Folder) -> None:
        (folder.root / "a" / "b").mkdir(parents=True)

        (marker,) = folder.collect().outputs

        assert marker == ("a/b/.dirkeep", 0)
        assert list(folder.workspace.read(marker)) == []

    def test_one_with_anything_in_it_is_not_empty(self, folder: Folder) -> None:
        folder.write("a/file")
        folder.write("b/.hidden/file")
        (folder.root / "c").mkdir()
        (folder.root / "c" / "link").symlink_to("nowhere")

        assert folder.outputs() == ["a/file"]

    def test_the_workspace_itself_needs_none(self, folder: Folder) -> None:
        assert folder.outputs() == []

    def test_hidden_ones_are_left_out_unless_an_input_lies_in_them(
        self, folder: Folder
    ) -> None:
        folder.put(".config/app.toml")
        (folder.root / ".config" / "empty").mkdir()
        (folder.root / ".cache").mkdir()

        assert folder.outputs() == [".config/empty/.dirkeep"]

    def test_a_linked_one_is_no_folder(self, folder: Folder) -> None:
        (folder.root / "link").symlink_to("/tmp", target_is_directory=True)

        assert folder.outputs() == []

    def test_markers_come_after_files_and_take_the_places_that_are_left(
        self, folder: Folder
    ) -> None:
        for name in ("a", "b", "c"):
            (folder.root / name).mkdir()
        folder.write("x")
        folder.write("y")

        found = folder.collect(files=3)

        assert [output.name for output in found.outputs] == ["x", "y", "a/.dirkeep"]
        assert found.skipped == [
            ("b/", SkipReason.EMPTY_DIRECTORY),
            ("c/", SkipReason.EMPTY_DIRECTORY),
        ]
        assert found.skips.missed == 0

    def test_its_path_is_held_to_the_limits(self, folder: Folder) -> None:
        nine = "/".join("abcdefghi")
        (folder.root / nine).mkdir(parents=True)
        (folder.root / "x" / nine).mkdir(parents=True)
        (folder.root / ("d" * 247)).mkdir()
        (folder.root / ("e" * 248)).mkdir()
        (folder.root / "new\nline").mkdir()

        found = folder.collect()

        assert [output.name for output in found.outputs] == [
            f"{nine}/.dirkeep",
            "d" * 247 + "/.dirkeep",
        ]
        assert {reason for _, reason in found.skipped} == {SkipReason.EMPTY_DIRECTORY}
        assert found.skipped_count == 3

    def test_it_is_kept_whatever_extensions_are(self, folder: Folder) -> None:
        (folder.root / "a").mkdir()
        folder.write("b/.dirkeep", b"")

        found = folder.collect(extensions=("csv",))

        assert {output.name for output in found.outputs} == {"a/.dirkeep", "b/.dirkeep"}


class TestInputs:
    def test_a_marker_makes_its_folder_and_no_file(self, folder: Folder) -> None:
        folder.put("a/b/.dirkeep", b"")

        assert not any((folder.root / "a" / "b").iterdir())

    def test_one_with_content_is_a_file(self, folder: Folder) -> None:
        folder.put("a/.dirkeep", b"kept by git")

        assert (folder.root / "a" / ".dirkeep").read_bytes() == b"kept by git"
        assert folder.collect().unchanged == ["a/.dirkeep"]

    def test_at_the_top_it_marks_nothing_and_is_a_file(self, folder: Folder) -> None:
        folder.put(".dirkeep", b"")

        assert (folder.root / ".dirkeep").exists()
        assert folder.collect().unchanged == [".dirkeep"]

    def test_it_is_unchanged_while_its_folder_is_there(self, folder: Folder) -> None:
        folder.put("empty/.dirkeep", b"")
        folder.put("filled/.dirkeep", b"")
        folder.write("filled/new")

        found = folder.collect()

        assert found.unchanged == ["empty/.dirkeep", "filled/.dirkeep"]
        assert found.outputs == [("filled/new", 3)]
        assert found.deleted == []

    def test_it_is_deleted_with_its_folder(self, folder: Folder) -> None:
        folder.put("a/.dirkeep", b"")
        (folder.root / "a").rmdir()

        found = folder.collect()

        assert (found.unchanged, found.deleted) == ([], ["a/.dirkeep"])

    @pytest.mark.parametrize("what", ["file", "link"])
    def test_it_is_deleted_if_something_else_is_in_its_folders_place(
        self, folder: Folder, what: str
    ) -> None:
        folder.put("a/.dirkeep", b"")
        (folder.root / "a").rmdir()
        if what == "file":
            folder.write("a")
        else:
            (folder.root / "a").symlink_to("/tmp")

        assert folder.collect().deleted == ["a/.dirkeep"]

    def test_a_marker_that_the_program_makes_itself_is_the_same_one(
        self, folder: Folder
    ) -> None:
        folder.put("a/.dirkeep", b"")
        folder.write("a/.dirkeep", b"")

        found = folder.collect()

        assert (found.unchanged, found.outputs) == (["a/.dirkeep"], [])

    def test_one_that_the_program_writes_to_is_changed(self, folder: Folder) -> None:
        folder.put("a/.dirkeep", b"")
        folder.write("a/.dirkeep", b"x")

        found = folder.collect()

        assert (found.unchanged, found.outputs) == ([], [("a/.dirkeep", 1)])

    def test_folders_and_files_can_be_put_in_any_order(self, folder: Folder) -> None:
        folder.put("a/.dirkeep", b"")
        folder.put("a/b/file")
        folder.put("a/b/.dirkeep", b"")

        assert folder.collect().unchanged == ["a/.dirkeep", "a/b/.dirkeep", "a/b/file"]


@pytest.mark.parametrize(
    ("name", "size_bytes", "expected"),
    [
        ("a/.dirkeep", 0, True),
        ("a/.dirkeep", 1, False),
        (".dirkeep", 0, False),
        ("a/x.dirkeep", 0, False),
        (".dirkeep/a", 0, False),
    ],
)
def test_a_marker_is_an_empty_file_of_that_name_in_a_folder(
    name: str, size_bytes: int, *, expected: bool
) -> None:
    assert is_marker(name, size_bytes) is expected
