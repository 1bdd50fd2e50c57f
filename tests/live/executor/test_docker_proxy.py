"""The narrowed engine: an executor works through it, and nobody can do anything else.

Against the real engine, with docker-py and with bytes of our own.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import docker  # noqa: TID251 - as an intruder would
import docker.errors  # noqa: TID251
import pytest

from executor.docker_engine import DockerEngine
from executor.docker_spec import container_name, container_spec
from executor.engines import disk_of, image_labels
from executor.policy import SandboxPolicy
from executor.settings import ExecutorSettings
from tests.contracts.sandbox.engines import bash, running_engine
from tests.executor.docker_view import containers_of, inspect, remove_all_of, socket_path
from tests.executor.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.anyio]

OWNER = f"proxy-{secrets.token_hex(4)}"
HTTP_FORBIDDEN = 403


@pytest.fixture(scope="module")
def settings() -> ExecutorSettings:
    image = os.environ.get("SANDBOX_IMAGE", "code-sandbox:latest")
    return ExecutorSettings(sandbox_image=image, code_executor_id=OWNER)


@pytest.fixture(scope="module")
def door(settings: ExecutorSettings) -> Iterator[Path]:
    """The proxy's socket, in front of the engine in use."""
    # Not pytest's folder: the path of a socket has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="door-") as folder:
        path = Path(folder) / "docker.sock"
        told = {
            "SANDBOX_IMAGE": settings.sandbox_image,
            "CODE_EXECUTOR_ID": settings.code_executor_id,
        }
        command = (sys.executable, "-P", "-m", "executor.docker_proxy")
        options = ("--engine", socket_path(), "--listen", str(path))
        with subprocess.Popen((*command, *options), env={**os.environ, **told}) as proxy:
            give_up_at = time.monotonic() + 30
            while not path.exists():
                assert proxy.poll() is None
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
            yield path
            proxy.terminate()
            assert proxy.wait(10) == 0
    remove_all_of(OWNER)


@pytest.fixture
def narrowed(door: Path) -> str:
    """The proxy's address, for `DOCKER_HOST`."""
    return f"unix://{door}"


@pytest.fixture
async def engine(
    narrowed: str, settings: ExecutorSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[DockerEngine]:
    """One that has connected to the proxy; what else looks, looks at the engine itself."""
    (tmp_path / "shared.txt").write_text("shared", encoding="utf-8")
    policy = SandboxPolicy.from_settings(settings)
    async with running_engine(OWNER, tmp_path, policy) as engine:
        with monkeypatch.context() as patched:
            patched.setenv("DOCKER_HOST", narrowed)
            await engine.check()
        yield engine


async def refused(address: str, call: Callable[[Any], Any]) -> bool:
    """Say whether the narrowed engine answers 403 to what `call` asks."""

    def ask() -> int | None:
        client = docker.APIClient(base_url=address, version="1.41", timeout=20)
        try:
            call(client)
        except docker.errors.APIError as refusal:
            return refusal.status_code
        finally:
            client.close()
        return None

    return await asyncio.to_thread(ask) == HTTP_FORBIDDEN


def sandbox_spec(settings: ExecutorSettings) -> dict[str, Any]:
    volume = f"code-command-shared-{OWNER}-{'0' * 16}"
    policy = SandboxPolicy.from_settings(settings)
    return container_spec(policy, uid=200_001, owner=OWNER, shared_volume=volume)


async def test_an_executor_works_through_it(engine: DockerEngine) -> None:
    sandbox = await engine.create()
    assert await bash(sandbox, "cat /mnt/shared/shared.txt") == "shared"
    await sandbox.destroy()

    await engine.check()
    assert await engine.parts()
    assert await engine.remove_leftovers() == 0
    assert containers_of(OWNER) == set()


async def test_of_the_host_it_tells_what_is_in_the_image_and_not_where_the_disk_is(
    narrowed: str, settings: ExecutorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", narrowed)

    assert await asyncio.to_thread(image_labels, settings)
    assert await asyncio.to_thread(disk_of, settings) is None


async def test_a_large_run_and_a_frozen_one_work_too(engine: DockerEngine) -> None:
    sandbox = await engine.create()
    (name,) = containers_of(OWNER)
    before = inspect(name)["HostConfig"]["Memory"]

    await engine.pause(name, paused=True)
    assert inspect(name)["State"]["Paused"] is True
    await engine.pause(name, paused=False)
    await sandbox.grow(1_073_741_824)

    assert inspect(name)["HostConfig"]["Memory"] > before
    await sandbox.destroy()


async def test_megabytes_go_in_and_come_out(engine: DockerEngine) -> None:
    sandbox = await engine.create()

    said = await bash(sandbox, "head -c 60000 /dev/zero | tr '\\0' x")

    assert said == "x" * 60_000
    await sandbox.destroy()


async def test_a_sandbox_ends_when_its_executor_s_connection_does(
    engine: DockerEngine,
) -> None:
    sandbox = await engine.create()
    (name,) = containers_of(OWNER)
    assert inspect(name)["State"]["Running"] is True

    await sandbox._stream.close()  # noqa: SLF001  # type: ignore[attr-defined]

    await eventually(lambda: not inspect(name)["State"]["Running"])
    await sandbox.destroy()


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"Privileged": True}, id="privileged"),
        pytest.param({"Binds": ["/:/host"]}, id="the-host's-disk"),
        pytest.param(
            {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/h"}]}, id="a-mount"
        ),
        pytest.param({"CapAdd": ["SYS_ADMIN"]}, id="a-capability"),
        pytest.param({"CapDrop": []}, id="all-capabilities"),
        pytest.param({"NetworkMode": "host"}, id="the-host's-network"),
        pytest.param({"PidMode": "host"}, id="the-host's-processes"),
        pytest.param({"SecurityOpt": ["seccomp=unconfined"]}, id="no-seccomp"),
        pytest.param({"ReadonlyPaths": []}, id="proc"),
        pytest.param({"Runtime": "/usr/local/bin/mine"}, id="a-runtime"),
        pytest.param({"Devices": [{"PathOnHost": "/dev/sda"}]}, id="a-device"),
        pytest.param({"PidsLimit": -1}, id="no-limit"),
    ],
)
async def test_a_container_that_is_no_sandbox_is_refused(
    narrowed: str, settings: ExecutorSettings, changed: dict[str, Any]
) -> None:
    spec = sandbox_spec(settings)
    spec["HostConfig"] |= changed

    assert await refused(
        narrowed, lambda api: api.create_container_from_config(spec, container_name())
    )
    assert containers_of(OWNER) == set()


@pytest.mark.parametrize(
    "changed",
    [
        {"Image": "debian"},
        {"User": "0:0"},
        {"Cmd": ["sh"]},
        {"Entrypoint": ["sh"]},
        {"User": "0"},
    ],
    ids="-".join,
)
async def test_so_is_another_image_user_or_program(
    narrowed: str, settings: ExecutorSettings, changed: dict[str, Any]
) -> None:
    spec = sandbox_spec(settings) | changed

    assert await refused(
        narrowed, lambda api: api.create_container_from_config(spec, container_name())
    )


@pytest.mark.parametrize(
    "hidden",
    [{"PidMode": "host"}, {"Binds": ["/:/host"]}, {"CapAdd": ["ALL"]}],
    ids=lambda hidden: next(iter(hidden)),
)
async def test_nothing_is_hidden_in_front_of_what_is_looked_at(
    door: Path, settings: ExecutorSettings, hidden: dict[str, Any]
) -> None:
    """Of two values with one name Python has the last; the engine's Go puts both into one."""
    spec = json.dumps(sandbox_spec(settings))
    body = f'{{"HostConfig":{json.dumps(hidden)},{spec[1:]}'.encode()
    head = f"POST /containers/create?name={container_name()} HTTP/1.1\r\nHost: x\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    answer = await exchange(door, f"{head}{kind}".encode() + body)

    assert answer.startswith(b"HTTP/1.1 403")
    assert containers_of(OWNER) == set()


SOME_SANDBOX = "code-command-0123456789abcdef"
OTHER_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "info": ("info", {}),
    "images": ("images", {}),
    "everybody's-containers": ("containers", {"all": True}),
    "exec": ("exec_create", {"container": SOME_SANDBOX, "cmd": "sh"}),
    "inspect": ("inspect_container", {"container": "compose_api_1"}),
    "remove": ("remove_container", {"container": "compose_api_1"}),
    "kill": ("kill", {"container": SOME_SANDBOX}),
    "get": ("get_archive", {"container": SOME_SANDBOX, "path": "/"}),
    "commit": ("commit", {"container": SOME_SANDBOX}),
    "remove-volume": ("remove_volume", {"name": "minio-data"}),
    "a-volume-of-the-host's-disk": (
        "create_volume",
        {
            "name": f"code-command-shared-{OWNER}-{'0' * 16}",
            "driver_opts": {"type": "none", "device": "/", "o": "bind"},
        },
    ),
    "update": (
        "update_container",
        {"container": SOME_SANDBOX, "restart_policy": {"Name": "always"}},
    ),
    "network": ("create_network", {"name": "n"}),
}
"""Methods of docker-py, with arguments."""


@pytest.mark.parametrize("name", OTHER_CALLS)
async def test_every_other_call_is_refused(narrowed: str, name: str) -> None:
    method, arguments = OTHER_CALLS[name]

    assert await refused(narrowed, lambda api: getattr(api, method)(**arguments))


@pytest.mark.parametrize(
    "path",
    [
        "/containers/code-command-0123456789abcdef/../../images/json",
        "/v1.41/../info",
        "/containers/v1.41/code-command-0123456789abcdef/json",
        "//info",
        "/%69nfo",
        "/containers/code-command-0123456789abcdef/json/../../json",
    ],
)
async def test_no_spelling_of_a_path_gets_past(door: Path, path: str) -> None:
    answer = await exchange(door, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert answer.split(b" ")[1] in {b"400", b"403"}


async def test_a_sandbox_is_not_begun_from_a_folder_of_the_host(door: Path) -> None:
    start = "/containers/code-command-0123456789abcdef/start?checkpoint=c&checkpoint-dir=/var"
    answer = await exchange(door, f"POST {start} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 403")


async def test_a_second_request_on_a_connection_is_never_passed_on(door: Path) -> None:
    ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    info = b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = await exchange(door, ping + info)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_nor_is_one_behind_an_attachment_that_failed(door: Path) -> None:
    gone = "/containers/code-command-0123456789abcdef/attach?stdin=1&stream=1"
    attach = f"POST {gone} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()

    answer = await exchange(door, attach + b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "headers",
    [
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: -1\r\n",
        "X: a\r\n b\r\n",
    ],
)
async def test_a_body_of_doubtful_length_is_refused(door: Path, headers: str) -> None:
    text = f"POST /containers/create?name=x HTTP/1.1\r\n{headers}\r\n"

    answer = await exchange(door, text.encode() + json.dumps({}).encode())

    assert answer.startswith(b"HTTP/1.1 400")


async def exchange(door: Path, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(door)
    writer.write(sent)
    await writer.drain()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer
