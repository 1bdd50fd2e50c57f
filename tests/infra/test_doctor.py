"""`./code-command doctor`, as people and machines meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local import gvisor
from infra.local.config import CHECKOUT
from storage.configuration import VARIABLES


def doctor(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (sys.executable, "-P", "-m", "infra.local", "doctor", *arguments),
        env={
            **os.environ,
            **dict.fromkeys(VARIABLES, ""),
            "SANDBOX_IMAGE": os.environ.get("SANDBOX_IMAGE", ""),
            "PYTHONPATH": str(CHECKOUT),
            "COLUMNS": "80",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def diagnosis(**environment: str) -> tuple[dict[str, Any], int]:
    done = doctor("--json", **environment)
    return json.loads(done.stdout), done.returncode


def states(told: dict[str, Any], name: str) -> set[str]:
    return {check["state"] for check in told["checks"] if check["name"] == name}


@pytest.mark.docker
class TestThisHost:
    def test_it_fails_if_and_only_if_something_is_bad(self) -> None:
        told, code = diagnosis()
        is_bad = any(check["state"] == "bad" for check in told["checks"])

        assert code == int(is_bad)
        assert (told["grade"] == "D") == is_bad

    def test_it_names_the_engine_and_its_versions_as_docker_does(self) -> None:
        asked = ("docker", "version", "--format", "{{.Server.Version}}")
        version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        told, _ = diagnosis()

        (engine,) = (check for check in told["checks"] if check["name"] == "engine")
        assert engine["text"].startswith(f"Docker {version.strip()} answers")

    def test_what_is_open_is_bad_and_what_is_mended_is_not(self) -> None:
        told, _ = diagnosis(SANDBOX_ENGINE="docker")
        is_open = any(escape["open"] for escape in told["known_escapes"])

        assert ("bad" in states(told, "escapes")) == is_open
        assert not any(
            escape["open"]
            for escape in told["known_escapes"]
            if escape["mended_by_distribution"] == "yes" or not escape["concerns_sandboxes"]
        )

    def test_an_image_that_nobody_has_built_is_missed(self) -> None:
        told, _ = diagnosis(SANDBOX_IMAGE="code-command-no-such-image:1")

        assert states(told, "image") == {"warning"}

    def test_a_runtime_that_the_engine_does_not_know_is_bad(self) -> None:
        told, code = diagnosis(SANDBOX_RUNTIME="no-such-runtime")

        assert states(told, "runtime") == {"bad"}
        assert (told["grade"], code) == ("D", 1)

    @pytest.mark.skipif(
        os.environ.get("DOCKER_HOST", "") != "", reason="the engine may be another host's"
    )
    def test_gvisor_is_the_best_grade_where_the_engine_knows_it(self) -> None:
        told, _ = diagnosis(SANDBOX_RUNTIME="runsc")

        assert (told["grade"] == "A") == gvisor.knows("runsc")

    def test_people_get_lines_that_fit_their_terminal(self) -> None:
        done = doctor()

        assert done.stdout.startswith("Isolation of this host: grade ")
        assert done.stderr == ""
        assert max(len(line) for line in done.stdout.splitlines()[1:]) <= 80


class TestWithoutAnEngine:
    def test_it_says_so_and_gives_no_grade(self, tmp_path: Path) -> None:
        told, code = diagnosis(DOCKER_HOST=f"unix://{tmp_path}/docker.sock")

        assert (told["grade"], code) == (None, 1)
        assert states(told, "engine") == {"bad"}

    def test_people_are_told_where_nobody_listens(self, tmp_path: Path) -> None:
        done = doctor(DOCKER_HOST=f"unix://{tmp_path}/docker.sock")

        assert "no grade, since no engine answers" in done.stdout
        assert "nobody listens there" in " ".join(done.stdout.split())
