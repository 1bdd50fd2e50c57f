"""The operator's shared files in the engine's volumes: brought, replaced, and taken away."""

from pathlib import Path

import pytest

from executor.docker_engine import DockerEngine
from tests.contracts.sandbox.conftest import policy
from tests.contracts.sandbox.engines import bash, running_engine
from tests.executor import docker_view

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


async def test_they_are_there_and_nothing_else_and_belong_to_root(
    own_engine: DockerEngine,
) -> None:
    sandbox = await own_engine.create()
    said = await bash(sandbox, "cd /mnt/shared; ls; cat */a.txt; stat -c %u:%a * */a.txt")
    await sandbox.destroy()

    assert said == "templates\nfirst\n0:755\n0:644\n"


async def test_other_files_after_a_restart_are_seen_and_the_old_volume_goes(
    own_engine: DockerEngine, owner: str, assets: Path
) -> None:
    await (await own_engine.create()).destroy()
    before = docker_view.volumes_of(owner)
    (assets / "templates" / "a.txt").write_text("second\n")

    async with running_engine(owner, assets, policy()) as later:
        sandbox = await later.create()
        said = await bash(sandbox, "cat /mnt/shared/templates/a.txt")
        await sandbox.destroy()
        after = docker_view.volumes_of(owner)

    assert said == "second\n"
    assert len(after) == len(before)
    assert not after & before


async def test_a_volume_in_use_stays_until_it_is_not(
    own_engine: DockerEngine, owner: str, assets: Path
) -> None:
    sandbox = await own_engine.create()
    (assets / "templates" / "a.txt").write_text("second\n")
    async with running_engine(owner, assets, policy()) as later:
        await (await later.create()).destroy()

    said = await bash(sandbox, "cat /mnt/shared/templates/a.txt")
    await sandbox.destroy()
    assert said == "first\n"


async def test_a_neighbour_with_the_same_files_keeps_them(
    own_engine: DockerEngine, owner: str, neighbour: str, assets: Path
) -> None:
    async with running_engine(neighbour, assets, policy()) as other:
        await (await other.create()).destroy()
        await (await own_engine.create()).destroy()
        docker_view.remove_all_of(owner)

        sandbox = await other.create()
        said = await bash(sandbox, "cat /mnt/shared/templates/a.txt")
        await sandbox.destroy()

    assert said == "first\n"


async def test_their_volume_goes_when_the_executor_does(owner: str, assets: Path) -> None:
    async with running_engine(owner, assets, policy()) as engine:
        await (await engine.create()).destroy()
        assert len(docker_view.volumes_of(owner)) == 2  # The files, and that they are whole.

    assert docker_view.volumes_of(owner) == set()
