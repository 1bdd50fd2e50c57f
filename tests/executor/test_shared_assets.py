"""Shared assets as an archive: what goes in, what stays out, and when it is another one."""

import io
import os
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from executor import shared_assets
from executor.shared_assets import AssetArchive, SharedAssetsError, pack, pack_files

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "icons").mkdir()
    (tmp_path / "icons" / "star.svg").write_text("<svg/>")
    (tmp_path / "readme.txt").write_text("hi")
    return tmp_path


@contextmanager
def somebody_else(folder: Path) -> Generator[None]:
    """Be a user for whom modes count, as the service is: root may read anything."""
    if os.geteuid() != 0:
        yield
        return
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def members(archive: AssetArchive) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive.tar), mode="r:") as tar:
        return {member.name: member for member in tar}


def test_files_and_folders_are_in_it(folder: Path) -> None:
    assert list(members(pack(folder))) == ["icons", "icons/star.svg", "readme.txt"]


def test_the_bytes_are_those_of_the_file(folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(folder).tar), mode="r:") as tar:
        content = tar.extractfile("icons/star.svg")
        assert content is not None
        assert content.read() == b"<svg/>"


def test_it_is_not_compressed(folder: Path) -> None:
    """GHSA-x86f-5xw2-fm2r: the engine unpacks compressed ones with the container's programs."""
    tar = pack(folder).tar

    assert b"<svg/>" in tar
    assert tar[257:262] == b"ustar"


def test_everything_is_roots_and_readable_by_all_and_nothing_is_executable(
    folder: Path,
) -> None:
    script = folder / "run.sh"
    script.write_text("#!/bin/sh")
    script.chmod(0o6777)
    secret = folder / "private.txt"
    secret.write_text("x")
    secret.chmod(0o600)

    found = members(pack(folder))

    assert {found[name].mode for name in ("run.sh", "private.txt", "readme.txt")} == {0o644}
    assert found["icons"].mode == 0o755
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}


@pytest.mark.timeout(10)
def test_links_pipes_and_byte_code_are_left_out(folder: Path) -> None:
    (folder / "link.txt").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")

    assert list(members(pack(folder))) == ["icons", "icons/star.svg", "readme.txt"]


def test_a_folder_that_lies_in_a_folder_named_pycache_is_still_packed(tmp_path: Path) -> None:
    folder = tmp_path / "__pycache__" / "assets"
    folder.mkdir(parents=True)
    (folder / "a").write_text("a")

    assert list(members(pack(folder))) == ["a"]


def test_the_same_content_has_the_same_digest(folder: Path) -> None:
    before = pack(folder)
    os.utime(folder / "readme.txt", (1, 1))
    (folder / "readme.txt").chmod(0o600)

    assert pack(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        "echo ho > readme.txt",
        "touch new.txt",
        "rm readme.txt",
        "mv readme.txt icons",
        "mkdir empty",
    ],
)
def test_other_content_has_another_digest(folder: Path, change: str) -> None:
    before = pack(folder)
    subprocess.run(["sh", "-c", change], cwd=folder, check=True)

    after = pack(folder)

    assert after.digest != before.digest
    assert after.name("me") != before.name("me")


def test_the_digest_tells_where_one_file_ends_and_the_next_begins(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, contents in ((one, ("ab", "c")), (other, ("a", "bc"))):
        folder.mkdir()
        for name, content in zip("xy", contents, strict=True):
            (folder / name).write_text(content)

    assert pack(one).digest != pack(other).digest


def test_each_owner_has_a_volume_of_its_own(folder: Path) -> None:
    """One that changes its files removes its old volume: never a neighbour's."""
    archive = pack(folder)

    assert archive.name("one") != archive.name("other")


def test_more_than_the_limit_is_refused_with_the_variables_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_assets, "MAX_TOTAL_BYTES", 10_000)
    (folder / "large.bin").write_bytes(bytes(10_001))

    with pytest.raises(SharedAssetsError, match=r"SHARED_ASSETS_PATH.*10000 bytes"):
        pack(folder)


def test_so_is_a_file_that_no_memory_holds(folder: Path) -> None:
    with (folder / "disk.img").open("wb") as file:
        file.truncate(2**42)

    with pytest.raises(SharedAssetsError, match="holds more than"):
        pack(folder)


def test_what_cannot_be_read_is_told_with_the_variables_name(folder: Path) -> None:
    (folder / "secret.txt").touch(mode=0o000)

    with somebody_else(folder), pytest.raises(SharedAssetsError) as told:
        pack(folder)

    assert str(told.value) == (
        f"SHARED_ASSETS_PATH: {folder / 'secret.txt'} cannot be read: Permission denied"
    )


@pytest.mark.parametrize("name", ["readme.txt", "nowhere"])
def test_what_is_no_folder_is_refused_with_the_variables_name(folder: Path, name: str) -> None:
    with pytest.raises(SharedAssetsError, match=r"SHARED_ASSETS_PATH.*is not a folder"):
        pack(folder / name)


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    assert members(pack(tmp_path)) == {}


class TestFilesOfABucket:
    def test_they_are_packed_as_those_of_a_folder_are(self, folder: Path) -> None:
        files = {"readme.txt": b"hi", "icons/star.svg": b"<svg/>"}

        assert pack_files(files) == pack(folder)

    @pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a//b", "a/../b", "./a", ""])
    def test_a_name_that_leads_elsewhere_is_refused(self, name: str) -> None:
        with pytest.raises(SharedAssetsError, match="is no name"):
            pack_files({name: b"1"})

    def test_a_file_cannot_be_a_folder_as_well(self) -> None:
        with pytest.raises(SharedAssetsError, match="a file and a folder"):
            pack_files({"a": b"1", "a/b": b"2"})
