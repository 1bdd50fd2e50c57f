"""`SandboxEngine` that drives an OCI runtime directly, on this host and as root."""

import asyncio
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from typing_extensions import override

from executor.concurrency import to_its_end
from executor.frame_stream import FrameStream
from executor.known_escapes import Part
from executor.oci_assets import AssetFolders
from executor.oci_bundle import IDS_PER_SANDBOX, UnpackedImage, bundle
from executor.oci_cgroup import Cgroup
from executor.oci_image import UnpackedImages
from executor.oci_runtime import Init, OciRuntime, adopt_orphans
from executor.oci_version import runtime_part
from executor.policy import SandboxPolicy
from executor.sandbox import Sandbox, SandboxEngine, SandboxUnavailableError
from executor.shared_assets import AssetArchive
from executor.socket_stream import SocketStream
from executor.supervised_parts import Freezer
from executor.supervised_sandbox import SupervisedSandbox

P = ParamSpec("P")
T = TypeVar("T")

RUN_DIR = Path("/run/code-command")
"""What exists as long as the host runs: bundles, the runtime's state, the shared files."""

PARALLEL_CALLS = 8

FIRST_UID, LAST_UID = 0x2000_0000, 0x7000_0000
"""Where pairs of uids are drawn from: far above what hosts give to people and services. A
pair is drawn from 671 million and not used again, so neighbours do not share one."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Box:
    """What is to be undone of one sandbox, as far as it has come."""

    name: str
    folder: Path
    cgroup: Cgroup
    init: Init | None = None
    removal: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_gone: bool = False


class _Freezer(Freezer):
    def __init__(self, box: _Box) -> None:
        self._box = box

    @override
    async def freeze(self) -> None:
        self._set(frozen=True)

    @override
    async def thaw(self) -> None:
        self._set(frozen=False)

    def _set(self, *, frozen: bool) -> None:
        if self._box.init is None:
            raise SandboxUnavailableError(f"{self._box.name} is gone")
        try:
            self._box.cgroup.freeze(frozen=frozen)
        except OSError as fault:
            raise SandboxUnavailableError(f"{self._box.name}: {fault}") from fault


class OciEngine(SandboxEngine):
    """Makes sandboxes with `runc` or another runtime of the same command line.

    The image comes from the Docker engine that built or pulled it, and is unpacked once.
    """

    def __init__(
        self, policy: SandboxPolicy, *, owner: str, assets: AssetArchive, images: Path
    ) -> None:
        self._policy = policy
        self._assets = assets
        self._images = UnpackedImages(images, owner=owner)
        self._place = f"executor-{owner}"  # Never `..`, whatever the operator chose.
        self._home = RUN_DIR / self._place
        self._group = Cgroup(f"/code-command/{self._place}")
        self._runtime = OciRuntime(command=policy.runtime, state=self._home / "state")
        self._threads = ThreadPoolExecutor(PARALLEL_CALLS, thread_name_prefix="oci")
        self._preparing = asyncio.Lock()
        self._image: UnpackedImage | None = None
        self._assets_there = False
        self._folders = AssetFolders(self._home, owner=owner)
        self._shared_folder = self._folders.of(assets)
        self._own: dict[str, Path] = {}
        """The sandboxes of this life that are not gone, and the shared files that each has."""
        self._left: set[str] = set()

    @override
    async def create(self) -> Sandbox:
        image = await self._prepared()
        name = f"code-command-{secrets.token_hex(8)}"
        box = self._box(name)
        ours, theirs = _socket_pair()
        self._own[name] = self._shared_folder
        config = bundle(
            self._policy,
            image,
            first_uid=_fresh_uids(),
            assets=self._own[name],
            cgroup=box.cgroup.name,
        )
        try:
            with theirs:
                # To its end: the runtime would go on to make what nobody knows of.
                await to_its_end(self._start(box, config, theirs))
            return await self._greeted(box, ours)
        except BaseException:
            ours.close()
            await to_its_end(self._remove(box))
            raise

    async def _start(self, box: _Box, config: dict[str, object], end: socket.socket) -> None:
        box.init = await self._call(self._runtime.start, box.name, box.folder, config, end)

    async def _greeted(self, box: _Box, end: socket.socket) -> Sandbox:
        stream = FrameStream(await SocketStream.over(end))
        sandbox = SupervisedSandbox(
            box.name,
            stream,
            grow=partial(self._grow, box),
            freezer=_Freezer(box),
            was_killed_for_memory=partial(self._was_killed_for_memory, box),
            destroy=partial(self._remove, box),
        )
        try:
            await sandbox.greet()
        except BaseException:
            await stream.close()
            raise
        return sandbox

    async def _grow(self, box: _Box, memory_bytes: int) -> None:
        try:
            box.cgroup.raise_memory(memory_bytes + self._policy.workspace_bytes)
        except OSError as fault:
            raise SandboxUnavailableError(f"{box.name} cannot grow: {fault}") from fault

    async def _was_killed_for_memory(self, box: _Box) -> bool:
        try:
            return box.cgroup.oom_kills() > 0
        except OSError as fault:
            raise SandboxUnavailableError(f"{box.name}: {fault}") from fault

    async def _remove(self, box: _Box) -> None:
        async with box.removal:
            if box.is_gone:
                return
            try:
                box.cgroup.freeze(frozen=False)  # What is frozen cannot die: cgroup v1.
                if box.init is not None:
                    init, box.init = box.init, None
                    await init.end()
                else:
                    box.cgroup.kill()
                await box.cgroup.remove()
            except (OSError, TimeoutError) as fault:
                _log.warning("%s is left for the next clean-up: %r", box.name, fault)
                self._left.add(box.name)
            else:
                await self._call(self._runtime.forget, box.name, box.folder)
                box.is_gone = True
                self._left.discard(box.name)
            self._own.pop(box.name, None)

    @override
    async def remove_leftovers(self) -> int:
        # Either may be all that is left of one.
        found = self._bundled() | self._group.groups_within()
        self._left &= found  # Others have gone by themselves.
        leftovers = [self._box(name) for name in found if name not in self._own]
        for box in leftovers:
            await self._remove(box)
        async with self._preparing:  # Else what is being brought were unused.
            await self._remove_unused_assets()
        return sum(box.is_gone for box in leftovers)

    @property
    @override
    def left_behind(self) -> int:
        return len(self._left)

    @override
    async def check(self) -> None:
        if shutil.which(self._policy.runtime) is None:
            raise SandboxUnavailableError(
                f"there is no {self._policy.runtime} on this host; install it, or set"
                " SANDBOX_ENGINE=docker"
            )
        if os.geteuid() != 0:
            raise SandboxUnavailableError(
                "SANDBOX_ENGINE=oci needs root on this host; SANDBOX_ENGINE=docker does not"
            )
        if self._image is not None and not self._image.root.is_dir():
            raise SandboxUnavailableError(
                f"{self._image.root} is gone; a restart unpacks the image again"
            )

    @override
    async def parts(self) -> tuple[Part, ...]:
        return (await self._call(runtime_part, self._policy.runtime),)

    @override
    def use_assets(self, assets: AssetArchive) -> None:
        self._assets = assets
        self._assets_there = False

    async def _prepared(self) -> UnpackedImage:
        """Do once what all sandboxes need."""
        async with self._preparing:
            if self._image is None:
                await self.check()
                await self._call(adopt_orphans)
                self._image = await to_its_end(
                    self._call(self._images.open, self._policy.image)
                )
            if not self._assets_there:
                assets = self._assets
                await to_its_end(self._call(self._folders.bring, assets))
                self._shared_folder = self._folders.of(assets)
                await self._remove_unused_assets()
                self._assets_there = assets is self._assets
            return self._image

    async def _remove_unused_assets(self) -> None:
        used = {self._shared_folder, *self._own.values()}
        await to_its_end(self._call(self._folders.remove_all_but, used))

    def _box(self, name: str) -> _Box:
        return _Box(
            name=name,
            folder=self._home / "bundles" / name,
            cgroup=Cgroup(f"{self._group.name}/{name}"),
        )

    async def _call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what blocks in a thread of ours; what the system refuses is ours to tell."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, partial(method, *args, **kwargs))
        except OSError as fault:
            raise SandboxUnavailableError(f"this host: {fault}") from fault

    @override
    async def close(self) -> None:
        self._threads.shutdown(wait=False)
        self._images.close()
        if not self._own and not self._bundled():
            shutil.rmtree(self._home, ignore_errors=True)
            with suppress(OSError):  # An earlier life's are in it.
                await self._group.remove()

    def _bundled(self) -> set[str]:
        try:
            return {entry.name for entry in os.scandir(self._home / "bundles")}
        except FileNotFoundError:
            return set()


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as fault:  # No descriptor is left: others will end, and give theirs back.
        raise SandboxUnavailableError(f"this host: {fault}") from fault


def _fresh_uids() -> int:
    pairs = (LAST_UID - FIRST_UID) // IDS_PER_SANDBOX
    return FIRST_UID + IDS_PER_SANDBOX * secrets.randbelow(pairs)
