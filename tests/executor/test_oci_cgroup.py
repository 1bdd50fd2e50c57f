"""Control groups in both of the kernel's interfaces, as files look in each.

The machine that tests run on has one of them; the other is laid out in a folder. That real
limits hold is tested with real sandboxes (tests/contracts/sandbox).
"""

import asyncio
from pathlib import Path

import pytest

from executor import oci_cgroup
from executor.oci_cgroup import Cgroup

NAME = "/code-command/executor-me/box"


@pytest.fixture
def hierarchies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(oci_cgroup, "HIERARCHIES", tmp_path)
    monkeypatch.setattr(oci_cgroup, "MOUNTS", tmp_path / "mounts")
    return tmp_path


@pytest.fixture
def unified(hierarchies: Path) -> Path:
    """The second interface: one hierarchy."""
    (hierarchies / "cgroup.controllers").write_text("cpu memory pids\n")
    folder = hierarchies / NAME.lstrip("/")
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def split(hierarchies: Path) -> Path:
    """The first: one for each controller."""
    kinds = ("memory", "pids")
    for kind in kinds:
        (hierarchies / kind / NAME.lstrip("/")).mkdir(parents=True)
    lines = [f"cgroup {hierarchies / kind} cgroup rw,{kind} 0 0" for kind in kinds]
    (hierarchies / "mounts").write_text("\n".join(["proc /proc proc rw 0 0", *lines]))
    return hierarchies


class TestUnified:
    def test_it_grows(self, unified: Path) -> None:
        Cgroup(NAME).raise_memory(700)

        assert (unified / "memory.max").read_text() == "700"

    def test_kills_for_memory_are_counted(self, unified: Path) -> None:
        (unified / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")

        assert Cgroup(NAME).oom_kills() == 2

    def test_it_is_removed(self, unified: Path) -> None:
        asyncio.run(Cgroup(NAME).remove())

        assert not unified.exists()


class TestSplit:
    def test_it_grows_with_its_swap_first(self, split: Path) -> None:
        """The kernel refuses a limit of memory above that of memory and swap together."""
        folder = split / "memory" / NAME.lstrip("/")
        for file in ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes"):
            (folder / file).write_text("0")

        Cgroup(NAME).raise_memory(700)

        both = (folder / "memory.memsw.limit_in_bytes").stat().st_mtime_ns
        alone = (folder / "memory.limit_in_bytes").stat().st_mtime_ns
        assert both <= alone
        assert (folder / "memory.limit_in_bytes").read_text() == "700"

    def test_it_grows_where_swap_is_not_accounted(self, split: Path) -> None:
        Cgroup(NAME).raise_memory(700)

        folder = split / "memory" / NAME.lstrip("/")
        assert (folder / "memory.limit_in_bytes").read_text() == "700"
        assert not (folder / "memory.memsw.limit_in_bytes").exists()

    def test_kills_for_memory_are_counted(self, split: Path) -> None:
        folder = split / "memory" / NAME.lstrip("/")
        (folder / "memory.oom_control").write_text(
            "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
        )

        assert Cgroup(NAME).oom_kills() == 1

    def test_it_is_removed_from_every_hierarchy(self, split: Path) -> None:
        asyncio.run(Cgroup(NAME).remove())

        assert not list(split.glob("*/code-command/executor-me/box"))


class TestEither:
    @pytest.mark.usefixtures("unified")
    def test_removing_one_that_is_gone_is_no_error(self) -> None:
        asyncio.run(Cgroup(NAME).remove())

        asyncio.run(Cgroup(NAME).remove())

    def test_one_that_stays_in_use_is_told(
        self, unified: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(oci_cgroup, "REMOVAL_TIMEOUT_S", 0.05)
        (unified / "child").mkdir()

        with pytest.raises(OSError, match="not empty"):
            asyncio.run(Cgroup(NAME).remove())
