"""`OciEngine`: what its failures are called, and that nothing of it is ever left."""

import asyncio
import dataclasses
import os
import resource
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from executor.concurrency import end
from executor.oci_engine import OciEngine
from executor.policy import SandboxPolicy
from executor.sandbox import Sandbox, SandboxLostError, SandboxUnavailableError
from executor.shared_assets import pack, pack_files
from infra.local.config import CHECKOUT
from tests.contracts.sandbox.conftest import policy
from tests.contracts.sandbox.engines import bash, unpacked_images_folder
from tests.contracts.sandbox.lab import MIB
from tests.executor import oci_view
from tests.executor.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


@asynccontextmanager
async def running(
    owner: str,
    assets: Path,
    policy: SandboxPolicy,
    *,
    images: Path | None = None,
) -> AsyncGenerator[OciEngine]:
    folder = images or unpacked_images_folder()
    engine = OciEngine(policy, owner=owner, assets=pack(assets), images=folder)
    yield engine
    await engine.close()


@pytest.fixture
async def own_oci(owner: str, assets: Path) -> AsyncGenerator[OciEngine]:
    """One that the test has for itself."""
    async with running(owner, assets, policy()) as engine:
        yield engine


def kill(owner: str, sandbox: Sandbox) -> None:
    for pid in oci_view.processes_of(owner, sandbox.name):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def no_descriptor_left() -> Generator[None]:
    """Have this process open nothing more: setrlimit(2)."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open(os.devnull, os.O_RDONLY)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class TestSandboxes:
    async def test_without_descriptors_there_is_none_until_others_end(
        self, own_oci: OciEngine
    ) -> None:
        first = await own_oci.create()
        with no_descriptor_left(), pytest.raises(SandboxUnavailableError, match="open files"):
            await own_oci.create()
        second = await own_oci.create()

        await first.destroy()
        await second.destroy()
        assert await own_oci.remove_leftovers() == 0

    async def test_nothing_of_one_is_left_once_it_is_destroyed(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        sandbox = await own_oci.create()
        processes = oci_view.processes_of(owner)
        assert oci_view.boxes_of(owner) == {sandbox.name}
        assert len(processes) >= 1

        await sandbox.destroy()

        assert oci_view.boxes_of(owner) == set()
        assert all(oci_view.has_ended(pid) for pid in processes)

    async def test_destroying_it_again_is_no_error(self, own_oci: OciEngine) -> None:
        sandbox = await own_oci.create()
        await asyncio.gather(sandbox.destroy(), sandbox.destroy())

        await sandbox.destroy()

    async def test_a_program_and_its_children_end_with_it(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        sandbox = await own_oci.create()
        running = asyncio.create_task(bash(sandbox, "(setsid sleep 600 &) ; sleep 600"))
        await eventually(lambda: len(oci_view.processes_of(owner)) >= 3)

        await sandbox.destroy()

        assert oci_view.boxes_of(owner) == set()
        with pytest.raises(SandboxLostError):
            await running

    async def test_one_killed_while_its_program_runs_is_lost(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        sandbox = await own_oci.create()
        running = asyncio.create_task(bash(sandbox, "sleep 600"))
        kill(owner, sandbox)

        with pytest.raises(SandboxLostError):
            await running
        await sandbox.destroy()

    async def test_one_killed_while_it_waits_is_known_to_be_dead(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        sandbox = await own_oci.create()
        kill(owner, sandbox)

        await eventually(lambda: not sandbox.alive)
        await sandbox.destroy()
        assert oci_view.boxes_of(owner) == set()

    async def test_the_kernel_has_the_limit_that_it_grew_to(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        sandbox = await own_oci.create()
        before = oci_view.limit_bytes(owner, sandbox.name)
        await sandbox.grow(700 * MIB)
        after = oci_view.limit_bytes(owner, sandbox.name)
        await sandbox.destroy()

        assert before == policy().memory_bytes
        assert after == 700 * MIB + policy().workspace_bytes

    async def test_one_takes_no_more_than_its_pseudo_terminals(
        self, own_oci: OciEngine
    ) -> None:
        sandbox = await own_oci.create()
        code = (
            "while [[ $taken -lt 1000 ]] && exec {pty}<>/dev/ptmx; do ((taken += 1)); done\n"
            "echo $taken"
        )

        said = await bash(sandbox, code)
        await sandbox.destroy()

        assert said == "16\n"

    async def test_the_hosts_root_is_not_the_sandboxs(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        """A program that became root in there would be nobody out here."""
        sandbox = await own_oci.create()
        users = {oci_view.user_of(pid) for pid in oci_view.processes_of(owner)}
        maps = (await bash(sandbox, "cat /proc/self/uid_map")).split()
        await sandbox.destroy()

        assert min(users) >= 100_000
        assert [int(figure) for figure in maps[1::3]] != [0]
        assert min(int(figure) for figure in maps[1::3]) >= 100_000


class TestCancelledCreation:
    @pytest.mark.parametrize("after_s", [0.0, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2])
    async def test_it_leaves_nothing_whenever_it_strikes(
        self, own_oci: OciEngine, owner: str, after_s: float
    ) -> None:
        creating = asyncio.create_task(own_oci.create())
        await asyncio.wait([creating], timeout=after_s)
        await end([creating])
        (outcome,) = await asyncio.gather(creating, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            await outcome.destroy()

        assert oci_view.boxes_of(owner) == set()
        assert await own_oci.remove_leftovers() == 0


KILLED_EXECUTOR = """
import asyncio, os, signal, sys
from pathlib import Path
from executor.oci_engine import OciEngine
from executor.shared_assets import pack, pack_files
from tests.contracts.sandbox.conftest import policy

async def main(owner, assets, images):
    engine = OciEngine(policy(), owner=owner, assets=pack(Path(assets)), images=Path(images))
    await asyncio.gather(engine.create(), engine.create())
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


class TestLeftovers:
    async def test_sandboxes_of_a_killed_executor_end_by_themselves_and_are_removed(
        self, own_oci: OciEngine, owner: str, assets: Path
    ) -> None:
        command = (sys.executable, "-P", "-c", KILLED_EXECUTOR)
        images = str(unpacked_images_folder())
        killed = await asyncio.create_subprocess_exec(
            *command,
            owner,
            str(assets),
            images,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
        assert await killed.wait() == -signal.SIGKILL
        await eventually(lambda: oci_view.processes_of(owner) == set())

        assert await own_oci.remove_leftovers() == 2
        assert oci_view.boxes_of(owner) == set()

    async def test_they_are_known_by_whatever_is_left_of_them(
        self, own_oci: OciEngine, owner: str, assets: Path
    ) -> None:
        async with running(owner, assets, policy()) as earlier:
            left = await earlier.create()
            shutil.rmtree(oci_view.BUNDLES.format(owner=owner))

            assert await own_oci.remove_leftovers() == 1
            assert oci_view.boxes_of(owner) == set()
            await left.destroy()

    async def test_those_of_an_earlier_life_are_removed_and_mine_are_not(
        self, own_oci: OciEngine, owner: str, assets: Path
    ) -> None:
        async with running(owner, assets, policy()) as earlier:
            left = await earlier.create()
            mine = await own_oci.create()

            assert await own_oci.remove_leftovers() == 1

            assert oci_view.boxes_of(owner) == {mine.name}
            assert await bash(mine, "echo fine") == "fine\n"
            await left.destroy()
        await mine.destroy()

    async def test_those_of_other_executors_are_left_alone(
        self, own_oci: OciEngine, neighbour: str, assets: Path
    ) -> None:
        async with running(neighbour, assets, policy()) as other:
            sandbox = await other.create()

            assert await own_oci.remove_leftovers() == 0

            assert await bash(sandbox, "echo fine") == "fine\n"
            await sandbox.destroy()


class TestAHostThatCannot:
    async def test_a_runtime_that_is_not_there_is_named_with_what_to_do(
        self, owner: str, assets: Path
    ) -> None:
        unknown = dataclasses.replace(policy(), runtime="no-such-runtime")
        async with running(owner, assets, unknown) as engine:
            with pytest.raises(SandboxUnavailableError, match=r"no-such-runtime.*docker"):
                await engine.create()

        assert oci_view.boxes_of(owner) == set()

    async def test_what_the_runtime_says_is_told(self, owner: str, assets: Path) -> None:
        async with running(owner, assets, policy()) as engine:
            await (await engine.create()).destroy()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("executor.oci_bundle.WORKSPACE", "not-absolute")
                with pytest.raises(SandboxUnavailableError, match=r"runc: .*absolute"):
                    await engine.create()

        assert oci_view.boxes_of(owner) == set()

    async def test_an_image_that_is_not_there_is_named_with_what_to_do(
        self, owner: str, assets: Path
    ) -> None:
        missing = dataclasses.replace(policy(), image="code-command-no-such-image:1")
        async with running(owner, assets, missing) as engine:
            with pytest.raises(SandboxUnavailableError, match=r"no-such-image.*build"):
                await engine.create()

    async def test_a_disk_without_room_is_named_with_what_to_do(
        self, owner: str, assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("executor.oci_image.SPARE_DISK_BYTES", 2**62)
        async with running(owner, assets, policy(), images=tmp_path) as engine:
            with pytest.raises(SandboxUnavailableError, match="SANDBOX_IMAGES_DIR"):
                await engine.create()


class TestSharedAssets:
    async def test_others_are_seen_by_sandboxes_made_from_then_on(
        self, own_oci: OciEngine, assets: Path
    ) -> None:
        before = await own_oci.create()
        own_oci.use_assets(pack_files({"templates/a.txt": b"second\n"}))
        after = await own_oci.create()

        said = [await bash(box, "cat /mnt/shared/templates/a.txt") for box in (before, after)]

        assert said == [(assets / "templates" / "a.txt").read_text(), "second\n"]
        await before.destroy()
        await after.destroy()

    async def test_what_no_sandbox_has_any_more_is_removed(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        """It lies in the host's memory."""
        before = await own_oci.create()
        first = oci_view.shared_folders_of(owner)
        own_oci.use_assets(pack_files({"templates/a.txt": b"second\n"}))
        after = await own_oci.create()
        assert oci_view.shared_folders_of(owner) > first
        assert await bash(before, "cat /mnt/shared/templates/a.txt") == "first\n"

        await before.destroy()
        await own_oci.remove_leftovers()

        assert len(oci_view.shared_folders_of(owner)) == 1
        assert not oci_view.shared_folders_of(owner) & first
        assert await bash(after, "cat /mnt/shared/templates/a.txt") == "second\n"
        await after.destroy()

    async def test_it_is_removed_by_the_next_ones_too(
        self, own_oci: OciEngine, owner: str
    ) -> None:
        for text in (b"1", b"2", b"3"):
            own_oci.use_assets(pack_files({"a.txt": text}))
            await (await own_oci.create()).destroy()

        assert len(oci_view.shared_folders_of(owner)) == 1
