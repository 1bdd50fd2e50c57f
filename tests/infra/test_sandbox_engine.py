"""Who makes the sandboxes of one machine, and that it is said."""

import io
import os
import secrets
from collections.abc import Iterator

import pytest

from executor.settings import ExecutorSettings
from infra.local.console import Console
from infra.local.errors import BadSettingError
from infra.local.sandbox_engine import choose_sandbox_engine
from tests.executor import docker_view, oci_view


class Asked:
    """One choice, and what was said of it."""

    def __init__(self, **environment: str) -> None:
        stream = io.StringIO()
        told = {"PATH": os.environ["PATH"], **environment}
        self.engine = choose_sandbox_engine(told, Console(stream))
        self.said = stream.getvalue()


@pytest.fixture
def owner() -> Iterator[str]:
    owner = f"choice-{secrets.token_hex(4)}"
    yield owner
    left = docker_view.containers_of(owner), oci_view.boxes_of(owner)
    docker_view.remove_all_of(owner)
    assert left == (set(), set())


def test_docker_is_taken_untried_where_the_user_names_it() -> None:
    asked = Asked(SANDBOX_ENGINE="docker", SANDBOX_IMAGE="code-command-no-such-image:1")

    assert asked.engine == "docker"
    assert "as SANDBOX_ENGINE says" in asked.said


@pytest.mark.docker
def test_so_is_the_runtime_where_that_makes_sandboxes(owner: str) -> None:
    asked = Asked(CODE_EXECUTOR_ID=owner, SANDBOX_ENGINE="oci")

    assert asked.engine == "oci"
    assert "as SANDBOX_ENGINE says" in asked.said


@pytest.mark.docker
def test_where_it_does_not_it_is_refused_and_not_exchanged(owner: str) -> None:
    with pytest.raises(BadSettingError, match=r"cannot be unpacked: .*/dev/null/images"):
        Asked(
            CODE_EXECUTOR_ID=owner,
            SANDBOX_ENGINE="oci",
            SANDBOX_IMAGES_DIR="/dev/null/images",
        )


class TestLeftToItself:
    @pytest.mark.docker
    def test_it_is_the_runtime_where_that_makes_sandboxes(self, owner: str) -> None:
        asked = Asked(CODE_EXECUTOR_ID=owner)

        assert asked.engine == "oci"
        assert "sandboxes are made by runc itself" in asked.said

    @pytest.mark.docker
    def test_it_is_docker_where_the_trial_fails_and_the_reason_is_told(
        self, owner: str
    ) -> None:
        asked = Asked(CODE_EXECUTOR_ID=owner, SANDBOX_IMAGE="code-command-no-such-image:1")

        assert asked.engine == "docker"
        assert "no image code-command-no-such-image:1" in asked.said.splitlines()[-1]

    @pytest.mark.parametrize(
        ("environment", "reason"),
        [
            ({"DOCKER_HOST": "tcp://elsewhere:2376"}, "another host"),
            ({"SANDBOX_RUNTIME": "runsc"}, "SANDBOX_RUNTIME=runsc"),
            ({"PATH": "/nowhere"}, "no runc on the PATH"),
        ],
        ids=["engine-on-another-host", "runtime-of-the-engine", "no-runtime"],
    )
    def test_it_is_docker_where_nothing_else_can_work(
        self, environment: dict[str, str], reason: str
    ) -> None:
        asked = Asked(**environment)

        assert asked.engine == "docker"
        assert reason in asked.said

    def test_it_is_docker_for_everybody_but_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

        assert Asked().engine == "docker"


def test_the_default_of_an_executor_alone_is_docker() -> None:
    assert ExecutorSettings().sandbox_engine == "docker"
