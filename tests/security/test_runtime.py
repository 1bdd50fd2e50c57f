"""The product with the OCI runtime that the step runs with: what must hold with any of them.

Without `SECURITY_RUNTIME` that is runc, with `SECURITY_RUNTIME=runsc` gVisor.
"""

import json

import pytest

from tests.live.running_service_caller import Caller, stored_files
from tests.security.conftest import RUNTIME, TIME_LIMIT_S

pytestmark = [pytest.mark.docker, pytest.mark.runsc]

FACTS = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
facts = {name: status[name].strip() for name in ("CapEff", "CapPrm")}
facts["kernel"] = open("/proc/version").read()
facts["uid"] = os.getuid()
lines = open("/proc/net/dev").read().splitlines()[2:]
facts["interfaces"] = [line.split(":")[0].strip() for line in lines]
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(attacker: Caller) -> dict[str, object]:
    answer = attacker.run(FACTS)
    assert answer["stderr"] == ""
    return json.loads(answer["stdout"])


def test_programs_see_the_kernel_of_the_runtime(facts: dict[str, object]) -> None:
    """gVisor's own says that it is Linux 4.4.0, of a Sunday in 2016, wherever it runs."""
    with open("/proc/version", encoding="utf-8") as file:  # noqa: PTH123 - as inside
        is_the_hosts = facts["kernel"] == file.read()

    assert is_the_hosts == (RUNTIME != "runsc")


def test_they_are_nobody_without_capabilities(facts: dict[str, object]) -> None:
    assert (int(str(facts["CapEff"]), 16), int(str(facts["CapPrm"]), 16)) == (0, 0)
    assert facts["uid"] not in {0, None}


def test_they_have_no_interface_but_loopback(facts: dict[str, object]) -> None:
    assert set(facts["interfaces"]) <= {"lo"}  # type: ignore[call-overload]


def test_files_go_in_and_out(attacker: Caller) -> None:
    uploaded = attacker.upload("a.csv", b"n\n1\n2\n")

    answer = attacker.run(
        "import pandas as pd\npd.read_csv('a.csv').mul(2).to_csv('b.csv', index=False)",
        uploaded,
    )

    assert answer["stderr"] == ""
    assert attacker.download(stored_files(answer)["b.csv"]) == b"n\n2\n4\n"


def test_a_program_ends_with_its_time(attacker: Caller) -> None:
    answer = attacker.run("import time\nprint('begun', flush=True)\ntime.sleep(600)")

    assert answer["stdout"] == "begun\n"
    assert TIME_LIMIT_S * 1000 <= answer["wall_time"] < (TIME_LIMIT_S + 4) * 1000


def test_a_program_ends_with_its_memory(attacker: Caller) -> None:
    answer = attacker.run("x = bytearray(b'x') * (700 << 20)\nprint(len(x))")

    assert answer["stdout"] == ""
    assert "emory" in answer["stderr"] + str(answer.get("message"))


def test_a_compiled_program_runs(attacker: Caller) -> None:
    code = '#include <stdio.h>\nint main(void) { puts("42"); }\n'

    answer = attacker.run(code, lang="c")

    assert answer["stdout"] == "42\n", answer["stderr"]
