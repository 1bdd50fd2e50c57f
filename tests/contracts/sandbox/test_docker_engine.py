"""`DockerEngine`: what its failures are called, and that nothing of it is ever left."""

import asyncio
import dataclasses
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from executor.concurrency import end
from executor.docker_assets import pack
from executor.docker_engine import DockerEngine
from executor.docker_spec import OWNER_LABEL
from executor.policy import SandboxPolicy
from executor.sandbox import (
    Program,
    Sandbox,
    SandboxLostError,
    SandboxUnavailableError,
)
from tests.contracts.sandbox.conftest import policy
from tests.contracts.sandbox.lab import LIMITS, run_in
from tests.executor import docker_view
from tests.executor.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "a.txt").write_text("first\n")
    return folder


@pytest.fixture
def owner() -> str:
    return f"engine-{secrets.token_hex(4)}"


@asynccontextmanager
async def running_engine(
    owner: str, assets: Path, policy: SandboxPolicy
) -> AsyncGenerator[DockerEngine]:
    engine = DockerEngine(policy, owner=owner, assets=pack(assets))
    yield engine
    await engine.close()


@pytest.fixture
async def engine(owner: str, assets: Path) -> AsyncGenerator[DockerEngine]:
    async with running_engine(owner, assets, policy()) as engine:
        yield engine
    docker_view.remove_all_of(owner)


async def bash(sandbox: Sandbox, code: str) -> str:
    program = Program(language="bash", source=code.encode())
    return (await run_in(sandbox, program, LIMITS, {})).stdout


class TestContainers:
    async def test_they_carry_the_owners_label_until_they_are_destroyed(
        self, engine: DockerEngine, owner: str
    ) -> None:
        sandbox = await engine.create()
        assert docker_view.containers_of(owner) == {sandbox.name}

        await sandbox.destroy()

        assert docker_view.containers_of(owner) == set()

    async def test_the_engine_itself_reports_the_isolation_that_was_asked_for(
        self, engine: DockerEngine
    ) -> None:
        sandbox = await engine.create()
        host = docker_view.inspect(sandbox.name)["HostConfig"]
        await sandbox.destroy()

        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["NetworkMode"] == "none"
        assert host["Memory"] == host["MemorySwap"] == policy().memory_bytes
        assert host["PidsLimit"] == 50
        assert host["LogConfig"]["Type"] == "none"
        assert "no-new-privileges" in host["SecurityOpt"]

    async def test_one_killed_while_its_program_runs_is_lost(
        self, engine: DockerEngine
    ) -> None:
        sandbox = await engine.create()
        running = asyncio.create_task(bash(sandbox, "sleep 600"))
        docker_view.kill(sandbox.name)

        with pytest.raises(SandboxLostError):
            await running
        await sandbox.destroy()

    async def test_one_killed_while_it_waits_is_known_to_be_dead(
        self, engine: DockerEngine
    ) -> None:
        sandbox = await engine.create()
        docker_view.kill(sandbox.name)

        await eventually(lambda: not sandbox.alive)
        await sandbox.destroy()

    async def test_one_that_is_frozen_is_over_its_time_and_can_be_destroyed(
        self, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("executor.supervised_sandbox.RUN_GRACE_S", 0.5)
        sandbox = await engine.create()
        await sandbox.prepare(
            Program(language="bash", source=b"sleep 600"),
            dataclasses.replace(LIMITS, wall_time_s=0.5),
        )
        docker_view.pause(sandbox.name)

        execution = await sandbox.run()
        await sandbox.destroy()

        assert execution.stopped == "TO"

    async def test_a_connection_that_closes_ends_the_container(
        self, engine: DockerEngine, owner: str
    ) -> None:
        """This is how the sandboxes of a killed executor end by themselves."""
        sandbox = await engine.create()
        await engine_connection(sandbox)()

        await eventually(lambda: docker_view.containers_of(owner, running_only=True) == set())
        await sandbox.destroy()


class TestCancelledCreation:
    @pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
    async def test_it_leaves_nothing_whenever_it_strikes(
        self, engine: DockerEngine, owner: str, after_s: float
    ) -> None:
        creating = asyncio.create_task(engine.create())
        await asyncio.wait([creating], timeout=after_s)
        await end([creating])
        (outcome,) = await asyncio.gather(creating, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            await outcome.destroy()

        assert docker_view.containers_of(owner) == set()
        assert await engine.remove_leftovers() == 0


class TestLeftovers:
    async def test_those_of_an_earlier_life_are_removed_and_counted(
        self, engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        async with running_engine(owner, assets, policy()) as earlier:
            left = [await earlier.create(), await earlier.create()]
            mine = await engine.create()

            assert await engine.remove_leftovers() == 2

            assert docker_view.containers_of(owner) == {mine.name}
            for sandbox in left:
                await sandbox.destroy()
        await mine.destroy()

    async def test_those_that_have_ended_by_themselves_too(
        self, engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        async with running_engine(owner, assets, policy()) as earlier:
            sandbox = await earlier.create()
            docker_view.kill(sandbox.name)

            assert await engine.remove_leftovers() == 1
            assert docker_view.containers_of(owner) == set()
            await sandbox.destroy()

    async def test_those_of_other_executors_are_left_alone(
        self, engine: DockerEngine, assets: Path
    ) -> None:
        neighbour = f"engine-{secrets.token_hex(4)}"
        async with running_engine(neighbour, assets, policy()) as other:
            sandbox = await other.create()

            assert await engine.remove_leftovers() == 0

            assert await bash(sandbox, "echo fine") == "fine\n"
            await sandbox.destroy()
        docker_view.remove_all_of(neighbour)

    async def test_a_half_filled_volumes_container_is_one(
        self, engine: DockerEngine, owner: str
    ) -> None:
        """Left by an executor that was killed while it brought the shared files."""
        docker_view.create_container(policy().image, {OWNER_LABEL: owner})

        assert await engine.remove_leftovers() == 1
        assert docker_view.containers_of(owner) == set()


class TestSharedAssets:
    async def test_they_are_there_and_belong_to_root(self, engine: DockerEngine) -> None:
        sandbox = await engine.create()
        said = await bash(
            sandbox, "cat /mnt/shared/templates/a.txt; stat -c %u:%a /mnt/shared/templates/*"
        )
        await sandbox.destroy()

        assert said == "first\n0:644\n"

    async def test_other_files_after_a_restart_are_seen_and_the_old_volume_goes(
        self, engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        await (await engine.create()).destroy()
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
        self, engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        sandbox = await engine.create()
        (assets / "templates" / "a.txt").write_text("second\n")
        async with running_engine(owner, assets, policy()) as later:
            await (await later.create()).destroy()

        said = await bash(sandbox, "cat /mnt/shared/templates/a.txt")
        await sandbox.destroy()
        assert said == "first\n"

    async def test_a_neighbour_with_the_same_files_keeps_them(
        self, engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        neighbour = f"engine-{secrets.token_hex(4)}"
        async with running_engine(neighbour, assets, policy()) as other:
            await (await other.create()).destroy()
            await (await engine.create()).destroy()
            docker_view.remove_all_of(owner)

            sandbox = await other.create()
            said = await bash(sandbox, "cat /mnt/shared/templates/a.txt")
            await sandbox.destroy()
        docker_view.remove_all_of(neighbour)

        assert said == "first\n"

    async def test_their_volume_goes_when_the_executor_does(
        self, owner: str, assets: Path
    ) -> None:
        async with running_engine(owner, assets, policy()) as engine:
            await (await engine.create()).destroy()
            assert (
                len(docker_view.volumes_of(owner)) == 2
            )  # The files, and that they are whole.

        assert docker_view.volumes_of(owner) == set()


class TestAnEngineThatCannot:
    async def test_an_image_that_is_not_there_is_named_with_what_to_do(
        self, owner: str, assets: Path
    ) -> None:
        missing = dataclasses.replace(policy(), image="code-command-no-such-image:1")
        async with running_engine(owner, assets, missing) as engine:
            with pytest.raises(SandboxUnavailableError, match=r"no-such-image.*build"):
                await engine.create()
        docker_view.remove_all_of(owner)

    async def test_a_runtime_that_is_not_there_is_named(self, owner: str, assets: Path) -> None:
        unknown = dataclasses.replace(policy(), runtime="no-such-runtime")
        async with running_engine(owner, assets, unknown) as engine:
            with pytest.raises(SandboxUnavailableError, match="no-such-runtime"):
                await engine.create()
            left = docker_view.containers_of(owner)
        docker_view.remove_all_of(owner)

        assert left == set()

    async def test_an_image_without_our_supervisor_is_no_sandbox(
        self, owner: str, assets: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It says nothing, or what no supervisor says."""
        monkeypatch.setattr("executor.supervised_sandbox.HELLO_TIMEOUT_S", 1)
        base = os.environ.get("BASE_IMAGE", "debian:trixie-slim")
        foreign = dataclasses.replace(policy(), image=base)
        async with running_engine(owner, assets, foreign) as engine:
            with pytest.raises(SandboxUnavailableError):
                await engine.create()
            left = docker_view.containers_of(owner)
        docker_view.remove_all_of(owner)

        assert left == set()

    @pytest.mark.parametrize("method", ["create", "check", "remove_leftovers"])
    async def test_one_that_does_not_answer_is_unavailable(
        self,
        owner: str,
        assets: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
        async with running_engine(owner, assets, policy()) as engine:
            with pytest.raises(SandboxUnavailableError, match="Docker"):
                await getattr(engine, method)()

    async def test_destroying_what_an_engine_that_went_away_had_is_no_error(
        self, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox = await engine.create()
        with monkeypatch.context() as patch:
            patch.setattr("docker.APIClient.remove_container", _refuse_connection)
            await sandbox.destroy()

        assert await engine.remove_leftovers() == 1


def _refuse_connection(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


def engine_connection(sandbox: Sandbox) -> Callable[[], "asyncio.Future[None]"]:
    """What closes the attached connection, and nothing else."""
    return sandbox._stream.close  # type: ignore[attr-defined] # noqa: SLF001 - to lose it
