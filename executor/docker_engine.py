"""`SandboxEngine` on a Docker engine: the calls, and what their failures mean."""

import asyncio
import itertools
import logging
import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import docker  # noqa: TID251 - this is the adapter
import docker.errors  # noqa: TID251
import docker.utils  # noqa: TID251
from typing_extensions import override

from executor.concurrency import to_its_end
from executor.docker_allowed import UIDS
from executor.docker_assets import fill_volume, remove_volumes
from executor.docker_spec import container_name, container_spec, owner_filter
from executor.docker_stream import AttachedStream
from executor.docker_versions import parts_of
from executor.frame_stream import FrameStream
from executor.known_escapes import Part
from executor.policy import SandboxPolicy, is_gvisor
from executor.sandbox import Sandbox, SandboxEngine, SandboxUnavailableError
from executor.shared_assets import AssetArchive
from executor.supervised_parts import Freezer
from executor.supervised_sandbox import SupervisedSandbox

P = ParamSpec("P")
T = TypeVar("T")

CALL_TIMEOUT_S = 30
PARALLEL_CALLS = 16

LOCAL_URL = "http+docker://"
"""How docker-py calls an engine that it reaches over a socket of this host."""

KILLED = 128 + signal.SIGKILL
"""Exit code of a container whose first process was killed."""

_log = logging.getLogger(__name__)


class DockerEngine(SandboxEngine):
    """Makes containers that wait for a program.

    `DOCKER_HOST` says which engine, as for every Docker client.
    """

    def __init__(self, policy: SandboxPolicy, *, owner: str, assets: AssetArchive) -> None:
        self._policy = policy
        self._owner = owner
        self._assets = assets
        self._volume = assets.name(owner)
        self._assets_there = False
        self._preparing = asyncio.Lock()
        self._threads = ThreadPoolExecutor(PARALLEL_CALLS, thread_name_prefix="docker")
        self._api: Any = None
        self._uids = itertools.cycle(UIDS)
        for _ in range(secrets.randbelow(len(UIDS))):
            next(self._uids)
        self._own: set[str] = set()
        self._left: set[str] = set()

    @override
    async def create(self) -> Sandbox:
        api = await self._connected()
        await self._bring_assets(api)
        config = container_spec(
            self._policy,
            uid=next(self._uids),
            owner=self._owner,
            shared_volume=self._volume,
        )
        name = container_name()
        self._own.add(name)
        try:
            # To its end: the thread would go on to make a container that nobody knows of.
            await to_its_end(self._call(api.create_container_from_config, config, name))
            return await self._started(api, name)
        except BaseException:
            await to_its_end(self._remove(name))
            raise

    @override
    def use_assets(self, assets: AssetArchive) -> None:
        self._assets = assets
        self._assets_there = False

    async def _bring_assets(self, api: Any) -> None:
        async with self._preparing:
            if self._assets_there:
                return
            assets = self._assets
            labelled = {"image": self._policy.image, "owner": self._owner}
            await to_its_end(self._call(partial(fill_volume, api, assets, **labelled)))
            self._volume = assets.name(self._owner)
            tidy_up = partial(remove_volumes, api, owner=self._owner, but=self._volume)
            await to_its_end(self._call(tidy_up))
            self._assets_there = assets is self._assets

    async def _started(self, api: Any, name: str) -> SupervisedSandbox:
        """Attach first, start then: nothing that PID 1 says may be missed.

        A sandbox that does not come up is the caller's to remove.
        """
        attached = await self._call(
            partial(api.attach_socket, name, params={"stdin": 1, "stdout": 1, "stream": 1})
        )
        stream = FrameStream(await AttachedStream.over_attached(attached))
        sandbox = SupervisedSandbox(
            name,
            stream,
            grow=partial(self._grow, name),
            freezer=_Freezer(self, name),
            was_killed_for_memory=partial(self._was_killed_for_memory, name),
            destroy=partial(self._remove, name),
        )
        try:
            await self._call(api.start, name)
            await sandbox.greet()
        except BaseException:
            await stream.close()
            raise
        return sandbox

    async def _grow(self, name: str, memory_bytes: int) -> None:
        """Raise both limits in one call: memory alone may not exceed memory and swap."""
        limit_bytes = memory_bytes + self._policy.workspace_bytes
        limits = {"mem_limit": limit_bytes, "memswap_limit": limit_bytes}
        api = await self._connected()
        try:
            await self._call(partial(api.update_container, name, **limits))
        except SandboxUnavailableError as fault:
            if _status(fault) is None or not await self._runs(api, name):
                raise
            # The engine answers, the sandbox is well: what refuses is its runtime.
            _log.warning("%s keeps its memory limit: %s", name, fault)

    async def pause(self, name: str, *, paused: bool) -> None:
        """Freeze a container, or thaw it: 25 ms each (Engine 20.10). May be repeated.

        Raises:
            SandboxUnavailableError: It is gone, or the engine does not answer.
        """
        api = await self._connected()
        try:
            await self._call(api.pause if paused else api.unpause, name)
        except SandboxUnavailableError:
            state = (await self._call(api.inspect_container, name))["State"]
            if not state["Running"] or bool(state["Paused"]) is not paused:
                raise

    async def _runs(self, api: Any, name: str) -> bool:
        state = (await self._call(api.inspect_container, name))["State"]
        return bool(state["Running"])

    async def _was_killed_for_memory(self, name: str) -> bool:
        api = await self._connected()
        await self._call(partial(api.wait, name, timeout=CALL_TIMEOUT_S))
        state = (await self._call(api.inspect_container, name))["State"]
        if state["OOMKilled"]:
            return True
        # Of gVisor's kernel the engine is not told every time (missing in 2 of 8). Nobody but
        # the host kills that, and the host does for memory alone.
        return is_gvisor(self._policy.runtime) and state["ExitCode"] == KILLED

    async def _remove(self, name: str) -> None:
        self._left.discard(name)
        try:
            api = await self._connected()
            await self._call(partial(api.remove_container, name, force=True, v=False))
        except SandboxUnavailableError as fault:
            if _status(fault) not in {404, 409}:  # Gone already, or being removed.
                _log.warning("%s is left for the next clean-up: %s", name, fault)
                self._left.add(name)
        self._own.discard(name)

    @override
    async def remove_leftovers(self) -> int:
        api = await self._connected()
        known = set(self._left)
        ours = {"label": owner_filter(self._owner)}
        async with self._preparing:  # Else a container that is filling the volume were one.
            found = await self._call(partial(api.containers, all=True, filters=ours))
        # One that is being removed right now may have lost its name already.
        names = [container["Names"][0].lstrip("/") for container in found if container["Names"]]
        self._left -= known.difference(names)  # Gone by themselves.
        leftovers = [name for name in names if name not in self._own]
        for name in leftovers:
            await self._remove(name)
        return len(set(leftovers) - self._left)

    @property
    @override
    def left_behind(self) -> int:
        return len(self._left)

    @override
    async def check(self) -> None:
        api = await self._connected()
        await self._call(api.ping)

    @override
    async def parts(self) -> tuple[Part, ...]:
        api = await self._connected()
        return parts_of(await self._call(api.version), runtime=self._policy.runtime)

    async def _connected(self) -> Any:
        if self._api is None:
            self._api = await self._call(_connect)
        return self._api

    async def _call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call docker-py in a thread of ours; its failures become ours."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, partial(method, *args, **kwargs))
        except docker.errors.ImageNotFound as fault:
            raise SandboxUnavailableError(
                f"the engine has no image {self._policy.image}; build it: ./code-command build"
            ) from fault
        except (docker.errors.DockerException, OSError) as fault:  # requests' are OSErrors.
            raise SandboxUnavailableError(f"Docker: {_first_line(fault)}") from fault

    @override
    async def close(self) -> None:
        if self._api is not None:
            await self._remove_volumes()
            await self._call(self._api.close)
        self._threads.shutdown(wait=False)

    async def _remove_volumes(self) -> None:
        try:
            await self._call(partial(remove_volumes, self._api, owner=self._owner))
        except SandboxUnavailableError as fault:
            _log.warning("the volume of the shared assets is left: %s", fault)


class _Freezer(Freezer):
    def __init__(self, engine: DockerEngine, name: str) -> None:
        self._engine = engine
        self._name = name

    @override
    async def freeze(self) -> None:
        await self._engine.pause(self._name, paused=True)

    @override
    async def thaw(self) -> None:
        await self._engine.pause(self._name, paused=False)


def _connect() -> Any:
    return docker.APIClient(
        **docker.utils.kwargs_from_env(),
        version="auto",
        timeout=CALL_TIMEOUT_S,
        max_pool_size=PARALLEL_CALLS,
        num_pools=4,
    )


_FORBIDDEN = 403


def data_root() -> Path | None:
    """Return where the engine keeps its data; `None` where that is another host's disk.

    Also where a proxy does not tell (`executor.docker_proxy`): what else the engine tells of
    itself may hold secrets, and who asks through it is in a container, without that disk.

    Raises:
        SandboxUnavailableError: The engine does not answer.
    """
    try:
        with closing(_connect()) as api:
            is_here = str(api.base_url).startswith(LOCAL_URL)
            return Path(api.info()["DockerRootDir"]) if is_here else None
    except (docker.errors.DockerException, OSError) as fault:
        if isinstance(fault, docker.errors.APIError) and fault.status_code == _FORBIDDEN:
            return None
        raise SandboxUnavailableError(f"Docker: {_first_line(fault)}") from fault


def _status(fault: SandboxUnavailableError) -> int | None:
    cause = fault.__cause__
    if not isinstance(cause, docker.errors.APIError):
        return None
    return cause.status_code


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0][:300]
