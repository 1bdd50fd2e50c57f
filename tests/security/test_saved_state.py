"""Case 52: workspaces and variables that come back are what a hostile program made of them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.executor.saved_workspaces import HOSTILE
from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller
from tests.security.conftest import SETTINGS

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.case(52)]

PLANT = """
import os, pickle

class Trap:
    def __reduce__(self):
        code = (
            "import os; f = open({marker!r}, 'w'); f.write('sprung'); f.close();"
            " print('sprung as', os.getuid(), 'below', os.getppid())"
        )
        return exec, (code,)

open('/run/build/python-variables', 'wb').write(pickle.dumps({{'trap': Trap()}}))
os._exit(0)  # Nothing writes over it.
"""


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {**SETTINGS, "EXECUTION_PROFILE": "both", "STATE_PERSISTENCE": "python"}
    with running_service(tmp_path_factory.mktemp("restored") / "work", settings) as service:
        yield service


def states(service: RunningService) -> set[str]:
    return {key for key in service.stored() if "/states/" in key}


def test_a_pickle_is_loaded_in_its_own_users_sandbox_and_nowhere_else(
    stateful: RunningService,
) -> None:
    marker = Path("/tmp/restored-trap-was-sprung")
    hint = "trap"
    with stateful.caller() as attacker, stateful.caller("second") as victim:
        attacker.run(PLANT.format(marker=str(marker)), runtime_session_hint=hint)
        (key,) = states(stateful)
        assert b"sprung as" in stateful.read_object(key)

        others = [
            victim.run("print(1)", runtime_session_hint=hint),
            attacker.run("print(1)", runtime_session_hint="another"),
            attacker.run("print(1)"),
            attacker.run("echo 1", lang="bash", runtime_session_hint=hint),
        ]
        sprung = attacker.run("print(1)", runtime_session_hint=hint)

    assert [answer["stdout"] for answer in others] == ["1\n"] * 4
    # By an unprivileged user, in a child of the sandbox's own first process.
    assert re.fullmatch(r"sprung as [1-9]\d* below 1\n1\n", sprung["stdout"])
    assert not marker.exists()
    for process in ("api", "executor"):
        assert "sprung" not in stateful.log(process)


def test_an_input_is_not_taken_for_variables(stateful: RunningService) -> None:
    with stateful.caller() as caller:
        name = caller.upload("python-variables", b"not even a pickle")

        answer = caller.run("print(1)", name, runtime_session_hint="with-input")

    assert (answer["stdout"], answer["stderr"]) == ("1\n", "")


@pytest.mark.parametrize(
    "problem", ["a path that leads up", "a file through a link", "a device"]
)
def test_a_forged_workspace_reaches_nothing(stateful: RunningService, problem: str) -> None:
    hint = problem.replace(" ", "-")
    with stateful.caller() as caller:
        before = states(stateful)
        caller.run("open('a.txt', 'w').write('1')", runtime_session_hint=hint)
        (key,) = states(stateful) - before
        forge(stateful, key, HOSTILE[problem])

        answer = look(caller, hint)

    assert "forged" not in answer["stdout"]
    assert answer["runtime_status"] == "new"
    assert "the saved workspace could not be read" in answer["stderr"]


def look(caller: Caller, hint: str) -> dict[str, str]:
    return caller.run("ls -A /mnt/data /tmp", lang="bash", runtime_session_hint=hint)


def forge(service: RunningService, key: str, stream: bytes) -> None:
    """Store what a sandbox would have sent that a program has taken over."""
    head = json.dumps({"saved_at": datetime.now(UTC).isoformat()}).encode()
    service.write_object(key, head + b"\n" + stream)
