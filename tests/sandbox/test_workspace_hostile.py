"""What a hostile program can leave in its workspace, and what collecting makes of it."""

import os
import resource
import socket
from pathlib import Path

import pytest

from sandbox.supervisor import scan as module
from sandbox.supervisor.skips import MAX_NAMED_SKIPS, SkipReason, is_presentable
from tests.sandbox.folder import Folder

NO_FILE = SkipReason.NOT_A_REGULAR_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "workspace")


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")


class TestLinks:
    @pytest.mark.parametrize("target", ["/etc/passwd", "../outside/secret.txt", "nowhere"])
    def test_a_link_is_never_followed(self, folder: Folder, target: str) -> None:
        (folder.root / "link.txt").symlink_to(target)

        found = folder.collect()

        assert found.outputs == []
        assert found.skipped == [("link.txt", NO_FILE)]

    def test_a_linked_folder_is_not_entered(self, folder: Folder) -> None:
        (folder.root / "folder").symlink_to("../outside")

        found = folder.collect()

        assert found.outputs == []
        assert found.skipped == [("folder", NO_FILE)]

    def test_an_input_replaced_by_a_link_is_deleted(self, folder: Folder) -> None:
        folder.put("data.csv", b"secret")
        (folder.root / "data.csv").unlink()
        (folder.root / "data.csv").symlink_to("../outside/secret.txt")

        found = folder.collect()

        assert found.unchanged == found.outputs == []
        assert found.deleted == ["data.csv"]
        assert found.skipped == [("data.csv", NO_FILE)]

    def test_a_link_that_took_the_place_of_a_collected_file_is_not_opened(
        self, folder: Folder
    ) -> None:
        (folder.root / "link.txt").symlink_to("../outside/secret.txt")

        with pytest.raises(OSError, match="symbolic links"):
            folder.workspace.open_output("link.txt")

    def test_a_loop_of_links_ends(self, folder: Folder) -> None:
        (folder.root / "a").symlink_to("b")
        (folder.root / "b").symlink_to("a")

        assert folder.collect().skipped_count == 2

    def test_hard_links_are_files_of_their_own(self, folder: Folder) -> None:
        folder.put("data.csv", b"1,2")
        os.link(folder.root / "data.csv", folder.root / "copy.csv")

        found = folder.collect()

        assert (found.unchanged, found.outputs) == (["data.csv"], [("copy.csv", 3)])


class TestWhatIsNoFile:
    @pytest.mark.timeout(10)
    def test_a_pipe_is_skipped_without_waiting(self, folder: Folder) -> None:
        os.mkfifo(folder.root / "pipe.csv")

        assert folder.collect().skipped == [("pipe.csv", NO_FILE)]

    @pytest.mark.timeout(10)
    def test_an_input_replaced_by_a_pipe_does_not_hang(self, folder: Folder) -> None:
        folder.put("data.csv")
        (folder.root / "data.csv").unlink()
        os.mkfifo(folder.root / "data.csv")

        found = folder.collect()

        assert found.skipped == [("data.csv", NO_FILE)]
        assert found.deleted == ["data.csv"]

    @pytest.mark.timeout(10)
    def test_opening_a_pipe_does_not_wait_for_a_writer(self, folder: Folder) -> None:
        os.mkfifo(folder.root / "pipe")

        with folder.workspace.open_output("pipe") as pipe:
            assert pipe.read() == b""

    def test_a_socket_is_skipped(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder.root)  # The path of a socket has at most 108 bytes.
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s.sock")

            assert folder.collect().skipped == [("s.sock", NO_FILE)]

    def test_a_folder_named_like_a_file_is_a_folder(self, folder: Folder) -> None:
        (folder.root / "data.csv").mkdir()

        assert folder.collect().skipped_count == 0
        assert folder.outputs() == ["data.csv/.dirkeep"]


class TestSizes:
    @pytest.mark.timeout(10)
    def test_a_sparse_terabyte_is_skipped_unread(self, folder: Folder) -> None:
        with (folder.root / "huge.bin").open("wb") as file:
            file.truncate(1 << 40)

        assert folder.collect().skipped == [("huge.bin", SkipReason.FILE_TOO_LARGE)]

    @pytest.mark.timeout(10)
    def test_an_input_grown_to_gigabytes_of_nothing_is_not_hashed(self, folder: Folder) -> None:
        """Thousands of sparse files would otherwise keep half a processor busy for hours."""
        for number in range(40):
            folder.put(f"{number}.bin")
            os.truncate(folder.root / f"{number}.bin", 1 << 40)

        found = folder.collect(file_bytes=1 << 40, total_bytes=1 << 50)

        assert len(found.outputs) == 40

    def test_a_file_of_exactly_the_limit_is_kept(self, folder: Folder) -> None:
        folder.write("exact.bin", bytes(10_000))
        folder.write("over.bin", bytes(10_001))

        found = folder.collect()

        assert found.outputs == [("exact.bin", 10_000)]
        assert found.skipped == [("over.bin", SkipReason.FILE_TOO_LARGE)]

    def test_more_than_all_outputs_may_hold_together_is_skipped_by_name(
        self, folder: Folder
    ) -> None:
        """Sparse files and hard links announce more than the workspace can hold."""
        for name in "abcdef":
            folder.write(name, bytes(9_000))
        folder.write("small", b"x")

        found = folder.collect()

        assert [output.name for output in found.outputs] == ["a", "b", "c", "d", "small"]
        assert found.skipped == [
            ("e", SkipReason.TOTAL_SIZE),
            ("f", SkipReason.TOTAL_SIZE),
        ]


class TestCounts:
    def test_sixty_files_become_fifty_and_a_list_of_the_others(self, folder: Folder) -> None:
        for number in range(60):
            folder.write(f"{number:02}.txt")

        found = folder.collect()

        assert [output.name for output in found.outputs] == [f"{n:02}.txt" for n in range(50)]
        assert found.skipped == [(f"{n}.txt", SkipReason.TOO_MANY_FILES) for n in range(50, 60)]
        assert found.skipped_count == 10

    def test_unchanged_inputs_do_not_take_the_places_of_outputs(self, folder: Folder) -> None:
        for number in range(60):
            folder.put(f"in/{number}")
        folder.write("out")

        found = folder.collect()

        assert len(found.unchanged) == 60
        assert found.outputs == [("out", 3)]

    def test_many_skipped_files_are_counted_but_only_some_are_named(
        self, folder: Folder
    ) -> None:
        for number in range(100):
            (folder.root / f"{number:03}").symlink_to("x")

        found = folder.collect()

        assert found.skipped_count == 100
        assert [name for name, _ in found.skipped] == [
            f"{n:03}" for n in range(MAX_NAMED_SKIPS)
        ]

    def test_a_flood_of_entries_is_cut_and_said(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_SCANNED", 100)
        for number in range(150):
            (folder.root / f"{number:03}").mkdir()

        found = folder.collect()

        assert found.skipped == [(".", SkipReason.TOO_MANY_ENTRIES)]


class TestDepthAndLength:
    def test_ten_levels_are_kept_and_eleven_are_not(self, folder: Folder) -> None:
        kept = "/".join("abcdefghi") + "/file"
        too_deep = "/".join("abcdefghij") + "/file"
        folder.write(kept)
        folder.write(too_deep)

        found = folder.collect()

        assert [output.name for output in found.outputs] == [kept]
        assert [name for name, _ in found.skipped] == [too_deep]

    def test_folders_far_too_deep_are_not_descended_into(self, folder: Folder) -> None:
        folder.write("d/" * 300 + "file")

        found = folder.collect()

        assert found.outputs == []
        assert found.skipped_count == 1

    def test_paths_over_256_characters_are_skipped(self, folder: Folder) -> None:
        exact = "d" * 200 + "/" + "f" * 55
        folder.write(exact)
        folder.write(exact + "f")

        found = folder.collect()

        assert [output.name for output in found.outputs] == [exact]
        assert [name for name, _ in found.skipped] == [exact]  # The name, cut to 256.

    def test_characters_count_and_not_bytes(self, folder: Folder) -> None:
        name = "/".join(["ü" * 120] * 2)
        folder.write(name)

        assert folder.outputs() == [name]


class TestNames:
    @pytest.mark.parametrize(
        ("raw", "shown"),
        [
            (b"a\nb", "a\nb"),
            (b"a\x1b[31mb", "a\x1b[31mb"),
            (b"a\x7fb", "a\x7fb"),
            (b"a\\b", "a\\b"),
            ("a\u202egnp.exe".encode(), "a\u202egnp.exe"),
            ("a\u2066b".encode(), "a\u2066b"),
            ("a\x85b".encode(), "a\x85b"),
            (b"a\xff\xfeb", "a\\udcff\\udcfeb"),
        ],
        ids=[
            "newline",
            "escape",
            "delete",
            "backslash",
            "right-to-left-override",
            "isolate",
            "c1-control",
            "invalid-utf-8",
        ],
    )
    def test_names_that_forge_or_disguise_are_skipped(
        self, folder: Folder, raw: bytes, shown: str
    ) -> None:
        (Path(os.fsdecode(os.fsencode(folder.root) + b"/" + raw))).write_bytes(b"x")

        found = folder.collect()

        assert found.outputs == []
        assert [name for name, _ in found.skipped] == [shown]
        for name, _ in found.skipped:
            name.encode()  # Can be sent.

    def test_a_folder_with_such_a_name_gives_its_files_away_no_better(
        self, folder: Folder
    ) -> None:
        folder.write("bad\nfolder/file.txt")

        found = folder.collect()

        assert found.outputs == []
        assert found.skipped_count == 1

    @pytest.mark.parametrize(
        "name", ["-rf", "CON", "a'b\"c", "%2e%2e", "...", "~", "$HOME", " ", "a;b", "-- x"]
    )
    def test_names_that_are_merely_odd_are_kept(self, folder: Folder, name: str) -> None:
        folder.write(name)

        assert folder.outputs() == [name]

    def test_the_rule_looks_at_every_character(self) -> None:
        assert is_presentable("plots/trend.png")
        assert not any(is_presentable(f"a{chr(code)}") for code in [*range(32), 127, 0xD800])


def test_collecting_leaves_no_descriptor_open(folder: Folder) -> None:
    for number in range(30):
        folder.put(f"in/{number}")
        folder.write(f"out/{number}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = sum(1 for _ in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 10, hard))
    try:
        found = folder.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(found.unchanged) == 30
    assert len(found.outputs) == 30
