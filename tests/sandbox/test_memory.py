"""The cgroup's count of processes killed for memory, in both versions' words."""

from pathlib import Path

import pytest

from sandbox.supervisor import memory

CGROUP_V2 = "low 0\nhigh 0\nmax 211\noom 4\noom_kill 3\noom_group_kill 0\n"
CGROUP_V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    paths = (tmp_path / "memory.events", tmp_path / "memory.oom_control")
    monkeypatch.setattr(memory, "_COUNTERS", paths)
    return paths


def test_the_counter_of_cgroup_v2_is_read(counters: tuple[Path, Path]) -> None:
    counters[0].write_text(CGROUP_V2)

    assert memory.count_oom_kills() == 3


def test_the_counter_of_cgroup_v1_is_read(counters: tuple[Path, Path]) -> None:
    counters[1].write_text(CGROUP_V1)

    assert memory.count_oom_kills() == 2


def test_a_kernel_too_old_to_count_is_told_from_no_kills(counters: tuple[Path, Path]) -> None:
    counters[1].write_text("oom_kill_disable 0\nunder_oom 0\n")

    assert memory.count_oom_kills() is None


@pytest.mark.usefixtures("counters")
def test_a_runtime_without_counters_is_told_from_no_kills() -> None:
    assert memory.count_oom_kills() is None
