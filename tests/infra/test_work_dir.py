import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.credentials import kept_secret, secret_path
from infra.local.errors import AlreadyRunningError, BadSettingError
from infra.local.work_dir import WorkDir, held, open_work_dir, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def work_dir(tmp_path: Path) -> WorkDir:
    return open_work_dir(tmp_path / "work")


class TestFolder:
    def test_it_is_made_for_its_owner_alone(self, work_dir: WorkDir) -> None:
        assert mode(work_dir.path) == 0o700
        for folder in (work_dir.storage, work_dir.secrets, work_dir.broker, work_dir.logs):
            assert mode(folder) == 0o700

    def test_opening_it_again_changes_nothing_in_it(self, work_dir: WorkDir) -> None:
        (work_dir.storage / "data").write_text("kept", encoding="utf-8")

        open_work_dir(work_dir.path)

        assert (work_dir.storage / "data").read_text(encoding="utf-8") == "kept"

    def test_one_that_others_may_write_to_is_closed_to_them(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        (tmp_path / "open" / "secrets").mkdir(mode=0o755)

        opened = open_work_dir(tmp_path / "open")

        assert mode(opened.path) == 0o755
        assert mode(opened.secrets) == 0o700

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's folder")
    @pytest.mark.parametrize("kind", ["folder", "link"])
    def test_another_users_is_refused(self, tmp_path: Path, kind: str) -> None:
        """`/tmp/code_command` is a name that anybody on the machine can take first."""
        theirs = tmp_path / "theirs"
        if kind == "folder":
            theirs.mkdir(mode=0o777)
        else:
            (tmp_path / "trap").mkdir()
            theirs.symlink_to(tmp_path / "trap")
        os.chown(theirs, 12345, 12345, follow_symlinks=False)

        with pytest.raises(BadSettingError, match="another user"):
            open_work_dir(theirs)

    def test_a_link_of_our_own_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "disk")

        assert open_work_dir(tmp_path / "link").path == tmp_path / "disk"

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(BadSettingError, match="CODE_WORK_DIR"):
            open_work_dir(tmp_path / "file")


class TestExecutorId:
    def test_it_stays_the_same_over_restarts(self, work_dir: WorkDir) -> None:
        assert work_dir.executor_id() == open_work_dir(work_dir.path).executor_id()

    def test_two_installations_differ(self, tmp_path: Path) -> None:
        ids = {open_work_dir(tmp_path / name).executor_id() for name in "ab"}

        assert len(ids) == 2


class TestLock:
    def test_a_second_process_is_told_who_holds_the_folder(self, work_dir: WorkDir) -> None:
        with (
            held(work_dir),
            pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
            held(work_dir),
        ):
            pass

    def test_it_is_free_again_afterwards(self, work_dir: WorkDir) -> None:
        with held(work_dir):
            pass
        with held(work_dir):
            pass

    def test_a_killed_holder_holds_nothing(self, work_dir: WorkDir) -> None:
        program = (
            "import sys, pathlib, signal\n"
            "from infra.local.work_dir import WorkDir, held\n"
            "with held(WorkDir(pathlib.Path(sys.argv[1]))):\n"
            "    print('held', flush=True)\n"
            "    signal.pause()\n"
        )
        command = (sys.executable, "-c", program, str(work_dir.path))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(AlreadyRunningError), held(work_dir):
                pass
            holder.kill()

        with held(work_dir):
            pass


class TestSecrets:
    def test_a_secret_is_made_once_and_kept(self, work_dir: WorkDir) -> None:
        first = kept_secret(work_dir, "api-key")

        assert len(first) >= 32
        assert kept_secret(work_dir, "api-key") == first
        assert secret_path(work_dir, "api-key").read_text(encoding="utf-8").strip() == first

    def test_no_two_are_alike(self, work_dir: WorkDir) -> None:
        assert kept_secret(work_dir, "one") != kept_secret(work_dir, "two")

    def test_only_its_owner_may_read_it(self, work_dir: WorkDir) -> None:
        kept_secret(work_dir, "api-key")

        assert mode(secret_path(work_dir, "api-key")) == 0o600

    def test_a_loosened_file_is_closed_again(self, work_dir: WorkDir) -> None:
        kept_secret(work_dir, "api-key")
        secret_path(work_dir, "api-key").chmod(0o644)

        kept_secret(work_dir, "api-key")

        assert mode(secret_path(work_dir, "api-key")) == 0o600

    def test_an_empty_file_is_no_secret(self, work_dir: WorkDir) -> None:
        secret_path(work_dir, "api-key").write_text("\n", encoding="utf-8")

        assert len(kept_secret(work_dir, "api-key")) >= 32


def test_a_private_file_is_replaced_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "old")
    write_private(tmp_path / "file", "new")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"
    assert mode(tmp_path / "file") == 0o600
