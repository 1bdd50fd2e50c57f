"""`DockerEngine`: what its failures are called, and that nothing of it is ever left."""

import asyncio
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.concurrency import end
from executor.docker_engine import DockerEngine
from executor.docker_spec import OWNER_LABEL
from executor.sandbox import Program, Sandbox, SandboxLostError, SandboxUnavailableError
from tests.contracts.sandbox.conftest import policy
from tests.contracts.sandbox.engines import bash, running_engine
from tests.contracts.sandbox.lab import LIMITS
from tests.executor import docker_view
from tests.executor.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


class TestContainers:
    async def test_they_carry_the_owners_label_until_they_are_destroyed(
        self, own_engine: DockerEngine, owner: str
    ) -> None:
        sandbox = await own_engine.create()
        assert docker_view.containers_of(owner) == {sandbox.name}

        await sandbox.destroy()

        assert docker_view.containers_of(owner) == set()

    async def test_the_engine_itself_reports_the_isolation_that_was_asked_for(
        self, own_engine: DockerEngine
    ) -> None:
        sandbox = await own_engine.create()
        host = docker_view.inspect(sandbox.name)["HostConfig"]
        await sandbox.destroy()

        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["NetworkMode"] == "none"
        assert host["Memory"] == host["MemorySwap"] == policy().memory_bytes
        assert host["PidsLimit"] == 50
        assert host["CgroupnsMode"] == "private"
        assert "/sys/kernel" in host["MaskedPaths"]
        assert host["LogConfig"]["Type"] == "none"
        assert "no-new-privileges" in host["SecurityOpt"]

    async def test_one_killed_while_its_program_runs_is_lost(
        self, own_engine: DockerEngine
    ) -> None:
        sandbox = await own_engine.create()
        running = asyncio.create_task(bash(sandbox, "sleep 600"))
        docker_view.kill(sandbox.name)

        with pytest.raises(SandboxLostError):
            await running
        await sandbox.destroy()

    async def test_one_killed_while_it_waits_is_known_to_be_dead(
        self, own_engine: DockerEngine
    ) -> None:
        sandbox = await own_engine.create()
        docker_view.kill(sandbox.name)

        await eventually(lambda: not sandbox.alive)
        await sandbox.destroy()

    async def test_one_that_is_frozen_is_over_its_time_and_can_be_destroyed(
        self, own_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("executor.supervised_sandbox.RUN_GRACE_S", 0.5)
        sandbox = await own_engine.create()
        await sandbox.prepare(
            Program(language="bash", source=b"sleep 600"),
            dataclasses.replace(LIMITS, wall_time_s=0.5),
        )
        docker_view.pause(sandbox.name)

        execution = await sandbox.run()
        await sandbox.destroy()

        assert execution.stopped == "TO"

    async def test_a_connection_that_closes_ends_the_container(
        self, own_engine: DockerEngine, owner: str
    ) -> None:
        """This is how the sandboxes of a killed executor end by themselves."""
        sandbox = await own_engine.create()
        await engine_connection(sandbox)()

        await eventually(lambda: docker_view.containers_of(owner, running_only=True) == set())
        await sandbox.destroy()


class TestCancelledCreation:
    @pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
    async def test_it_leaves_nothing_whenever_it_strikes(
        self, own_engine: DockerEngine, owner: str, after_s: float
    ) -> None:
        creating = asyncio.create_task(own_engine.create())
        await asyncio.wait([creating], timeout=after_s)
        await end([creating])
        (outcome,) = await asyncio.gather(creating, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            await outcome.destroy()

        assert docker_view.containers_of(owner) == set()
        assert await own_engine.remove_leftovers() == 0


class TestLeftovers:
    async def test_those_of_an_earlier_life_are_removed_and_counted(
        self, own_engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        async with running_engine(owner, assets, policy()) as earlier:
            left = [await earlier.create(), await earlier.create()]
            mine = await own_engine.create()

            assert await own_engine.remove_leftovers() == 2

            assert docker_view.containers_of(owner) == {mine.name}
            for sandbox in left:
                await sandbox.destroy()
        await mine.destroy()

    async def test_those_that_have_ended_by_themselves_too(
        self, own_engine: DockerEngine, owner: str, assets: Path
    ) -> None:
        async with running_engine(owner, assets, policy()) as earlier:
            sandbox = await earlier.create()
            docker_view.kill(sandbox.name)

            assert await own_engine.remove_leftovers() == 1
            assert docker_view.containers_of(owner) == set()
            await sandbox.destroy()

    async def test_those_of_other_executors_are_left_alone(
        self, own_engine: DockerEngine, neighbour: str, assets: Path
    ) -> None:
        async with running_engine(neighbour, assets, policy()) as other:
            sandbox = await other.create()

            assert await own_engine.remove_leftovers() == 0

            assert await bash(sandbox, "echo fine") == "fine\n"
            await sandbox.destroy()

    async def test_a_half_filled_volumes_container_is_one(
        self, own_engine: DockerEngine, owner: str
    ) -> None:
        """Left by an executor that was killed while it brought the shared files."""
        docker_view.create_container(policy().image, {OWNER_LABEL: owner})

        assert await own_engine.remove_leftovers() == 1
        assert docker_view.containers_of(owner) == set()


class TestAnEngineThatCannot:
    async def test_an_image_that_is_not_there_is_named_with_what_to_do(
        self, owner: str, assets: Path
    ) -> None:
        missing = dataclasses.replace(policy(), image="code-command-no-such-image:1")
        async with running_engine(owner, assets, missing) as engine:
            with pytest.raises(SandboxUnavailableError, match=r"no-such-image.*build"):
                await engine.create()

    async def test_a_runtime_that_is_not_there_is_named(self, owner: str, assets: Path) -> None:
        unknown = dataclasses.replace(policy(), runtime="no-such-runtime")
        async with running_engine(owner, assets, unknown) as engine:
            with pytest.raises(SandboxUnavailableError, match="no-such-runtime"):
                await engine.create()
            left = docker_view.containers_of(owner)

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
        self, own_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox = await own_engine.create()
        with monkeypatch.context() as patch:
            patch.setattr("docker.APIClient.remove_container", _refuse_connection)
            await sandbox.destroy()
            assert own_engine.left_behind == 1
            assert await own_engine.remove_leftovers() == 0

        assert own_engine.left_behind == 1
        assert await own_engine.remove_leftovers() == 1
        assert own_engine.left_behind == 0


def _refuse_connection(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


def engine_connection(sandbox: Sandbox) -> Callable[[], "asyncio.Future[None]"]:
    """What closes the attached connection, and nothing else."""
    return sandbox._stream.close  # type: ignore[attr-defined] # noqa: SLF001 - to lose it
