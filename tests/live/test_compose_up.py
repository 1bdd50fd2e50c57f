"""infra/compose.yaml really starts, serves a run, and leaves nothing behind.

SeaweedFS is the object store here, and it and Valkey are built from packages under the names
that compose asks for, so that no registry is needed.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.images.build import STAND_INS, build_service_image, ensure_stand_in
from tests.live.compose_stack import Stack, docker, run_compose, write_settings

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

SECRETS = {
    "BROKER_PASSWORD": "of-the-broker",
    "CODE_API_KEY": "of-the-client",
    "COMPOSE_PROFILES": "minio",
    "DOCKER_GID": "0",
    "S3_ACCESS_KEY_ID": "of-the-store",
    "S3_SECRET_ACCESS_KEY": "of-the-store-too",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    build_service_image(print)
    for stand_in in STAND_INS:
        ensure_stand_in(stand_in, print)
    made = Stack(folder=tmp_path_factory.mktemp("compose"))
    try:
        made.up()
        yield made
    finally:
        made.down()


def test_compose_accepts_the_file_with_what_init_makes(tmp_path: Path) -> None:
    settings = write_settings(tmp_path / "compose.env", SECRETS)

    answer = run_compose("config", settings=settings)

    assert answer.returncode == 0, answer.stderr
    assert "quay.io/minio/minio:RELEASE." in answer.stdout


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_refuses_to_start_without_any_one_of_them(tmp_path: Path, missing: str) -> None:
    rest = {name: value for name, value in SECRETS.items() if name != missing}
    settings = write_settings(tmp_path / "compose.env", rest)

    answer = run_compose("config", settings=settings)

    assert answer.returncode != 0
    assert "./code-command init" in answer.stderr


def test_every_part_is_up(stack: Stack) -> None:
    with stack.client as client:
        answer = client.get("/health")

    assert answer.status_code == httpx.codes.OK
    assert answer.json()["parts"] == {
        "storage": "up",
        "broker": "up",
        "executors": 1,
        "engine": "up",
    }


def test_a_file_goes_in_and_another_comes_out(stack: Stack) -> None:
    with stack.client as client:
        uploaded = client.post("/upload", files={"file": ("numbers.csv", b"a,b\n1,2\n")}).json()
        reference = {
            "id": uploaded["files"][0]["fileId"],
            "session_id": uploaded["session_id"],
            "name": "numbers.csv",
        }
        code = (
            "import pandas as pd\n"
            "total = pd.read_csv('numbers.csv').sum().sum()\n"
            "print(total)\n"
            "open('total.txt', 'w').write(str(total))\n"
        )
        ran = client.post("/exec", json={"lang": "py", "code": code, "files": [reference]})
        report = ran.json()
        made = next(entry for entry in report["files"] if entry["name"] == "total.txt")
        content = client.get(f"/download/{report['session_id']}/{made['id']}").content

    assert (ran.status_code, report["stdout"], report["stderr"]) == (200, "3\n", "")
    assert content == b"3"


def test_stored_files_outlive_the_store_s_container(stack: Stack) -> None:
    with stack.client as client:
        uploaded = client.post("/upload", files={"file": ("kept.txt", b"kept")}).json()
        before = stack.container_of("seaweedfs")

        stack.up("--force-recreate", "--no-deps", "seaweedfs")

        file_id = uploaded["files"][0]["fileId"]
        answer = client.get(f"/download/{uploaded['session_id']}/{file_id}")

    assert stack.container_of("seaweedfs") != before
    assert (answer.status_code, answer.content) == (200, b"kept")


def test_nobody_gets_in_without_the_key(stack: Stack) -> None:
    with stack.client as client:
        answer = client.post(
            "/exec", json={"lang": "py", "code": "1"}, headers={"X-API-Key": "of-the-client"}
        )

    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_the_executor_has_no_way_out_and_the_api_has_no_engine(stack: Stack) -> None:
    route = "print(open('/proc/net/route').read().count('\\t00000000\\t00000000\\t'))"
    engine = "import os; print(os.path.exists('/var/run/docker.sock'))"
    door = (
        "import docker\n"
        "api = docker.from_env().api\n"
        "print(bool(api.ping()))\n"
        "try: api.info()\n"
        "except docker.errors.APIError as refusal: print(refusal.status_code)\n"
    )

    routes = docker("exec", stack.container_of("executor"), "python3", "-c", route)
    seen = docker("exec", stack.container_of("api"), "python3", "-c", engine)

    narrowed = docker("exec", stack.container_of("executor"), "python3", "-c", door)
    of_executor = docker("exec", stack.container_of("executor"), "python3", "-c", engine)
    network = docker("exec", stack.container_of("engine"), "cat", "/proc/net/dev")

    assert "0" in routes
    assert seen == of_executor == "False"
    assert narrowed == "True\n403"
    assert [line.split(":")[0].strip() for line in network.splitlines()[2:]] == ["lo"]


@pytest.mark.parametrize("service", ["api", "executor", "engine"])
def test_our_containers_run_as_nobody_on_a_file_system_nobody_can_change(
    stack: Stack, service: str
) -> None:
    look = (
        "import os, re\n"
        "status = open('/proc/self/status').read()\n"
        "print(os.getuid(), *re.findall(r'(?:CapBnd|NoNewPrivs):\\s+(\\d+)', status),"
        " os.statvfs('/').f_flag & os.ST_RDONLY)"
    )

    seen = docker("exec", stack.container_of(service), "python3", "-c", look)

    assert seen == "10001 0000000000000000 1 1"


def test_no_secret_is_on_a_command_line(stack: Stack) -> None:
    secrets = [
        line.partition("=")[2]
        for line in stack.settings.read_text("utf-8").splitlines()
        if line.startswith(("BROKER_PASSWORD", "CODE_API_KEY", "S3_"))
    ]
    started_with = " ".join(
        docker("top", found["Id"], "-eo", "pid,args") for found in stack.containers()
    )

    assert len(secrets) == 4
    assert [secret for secret in secrets if secret in started_with] == []


def test_down_leaves_no_container_no_volume_and_no_network(stack: Stack) -> None:
    assert stack.of_the_executor("ps", "--all") != []

    stack.down()  # This is the last test of the stack.

    assert stack.of_the_project("ps", "--all") == []
    assert stack.of_the_project("volume", "ls") == []
    assert stack.of_the_project("network", "ls") == []
    assert stack.of_the_executor("ps", "--all") == []
