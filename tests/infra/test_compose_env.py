import stat
from pathlib import Path

import pytest

from infra.local.compose_env import SECRETS, init
from infra.local.config import CHECKOUT
from infra.local.console import Console
from infra.local.dotenv import read_dotenv

QUIET = Console(quiet=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    (tmp_path / "docker.sock").touch()
    return tmp_path / "docker.sock"


def test_every_secret_is_made_and_no_two_are_alike(path: Path, socket: Path) -> None:
    assert init(QUIET, path, docker_socket=socket) == 0

    made = read_dotenv(path)
    secrets = {made[name] for name in SECRETS}
    assert len(secrets) == len(SECRETS)
    assert all(len(value) >= 32 for value in secrets)


def test_the_executor_is_put_into_the_group_of_dockers_socket(path: Path, socket: Path) -> None:
    init(QUIET, path, docker_socket=socket)

    assert read_dotenv(path)["DOCKER_GID"] == str(socket.stat().st_gid)


def test_without_an_engine_the_group_is_left_for_a_second_run(path: Path, socket: Path) -> None:
    init(QUIET, path, docker_socket=path.with_name("missing.sock"))
    before = read_dotenv(path)
    init(QUIET, path, docker_socket=socket)

    assert "DOCKER_GID" not in before
    assert read_dotenv(path) == {**before, "DOCKER_GID": str(socket.stat().st_gid)}


def test_it_makes_all_that_the_compose_file_insists_on(path: Path, socket: Path) -> None:
    compose = (CHECKOUT / "infra" / "compose.yaml").read_text(encoding="utf-8")
    insisted = {
        part.split(":?")[0] for part in compose.split("${")[1:] if ":?" in part.split("}")[0]
    }

    init(QUIET, path, docker_socket=socket)

    assert insisted == set(read_dotenv(path))


def test_only_its_owner_may_read_it(path: Path, socket: Path) -> None:
    init(QUIET, path, docker_socket=socket)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_there_is_never_replaced(path: Path, socket: Path) -> None:
    init(QUIET, path, docker_socket=socket)
    before = path.read_text(encoding="utf-8")

    assert init(QUIET, path, docker_socket=socket) == 0

    assert path.read_text(encoding="utf-8") == before


def test_what_is_missing_is_added(path: Path, socket: Path) -> None:
    path.write_text("# mine\nCODE_API_KEY=chosen-by-hand-1234\nCPU_LIMIT=2", encoding="utf-8")

    init(QUIET, path, docker_socket=socket)

    kept = read_dotenv(path)
    assert kept["CODE_API_KEY"] == "chosen-by-hand-1234"
    assert kept["CPU_LIMIT"] == "2"
    assert set(SECRETS) < set(kept)
    assert path.read_text(encoding="utf-8").startswith("# mine\n")
