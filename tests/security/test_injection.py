"""Case 33: nothing that a client sends becomes an option of a runtime."""

import json
import secrets

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.attacks import ENVIRONMENT, Attack, attack_at_once
from tests.security.host_view import inspected

pytestmark = pytest.mark.docker


@pytest.mark.case(33)
def test_what_a_client_sends_is_data_and_no_option_of_a_runtime(
    target: RunningService, attacker: Caller
) -> None:
    """CVE-2024-21626 began with a working directory of `/proc/self/fd/7`."""
    mark = secrets.token_hex(8)
    args = [
        *(
            "--",
            "-c",
            "--privileged",
            "--user=0",
            "--workdir=/proc/self/fd/7",
            "-e",
            f"A={mark}",
        ),
        *("two\nlines", "", "$(id)", "`id`", "%s%n", "; id", "\x1b[2J", "-", "ü\u202e", mark),
    ]
    extra = {
        **dict.fromkeys(("workdir", "WorkingDir", "cwd", "working_dir"), "/proc/self/fd/7"),
        "user": "0:0",
        "User": "0",
        "privileged": True,
        "runtime": mark,
        "image": mark,
        "env": {"A": mark},
        "Env": [f"A={mark}"],
        "Cmd": [mark],
        "entrypoint": [mark],
        "HostConfig": {"Privileged": True, "Binds": ["/:/host"]},
        "mounts": ["/:/host"],
        "network": "host",
        "memory": 1 << 40,
        "cpus": 64,
        "runtime_session_hint": "../../x",
    }
    code = (
        "import json, os, sys, time\n"
        "print(json.dumps([sys.argv[1:], os.getcwd(), os.getuid() > 0, os.path.exists('/host'),"
        " sorted(os.environ)]))\ntime.sleep(1)"
    )
    seen: list[str] = []
    (answer,) = attack_at_once(
        attacker,
        Attack(code, more={"args": args, **extra}),
        meanwhile=lambda: seen.extend(json.dumps(each) for each in inspected(target)),
    )

    told_args, folder, is_nobody, has_host, environment = json.loads(answer["stdout"])
    assert (told_args, folder) == (args, "/mnt/data")
    assert (is_nobody, has_host) == (True, False)
    assert set(environment) == ENVIRONMENT
    assert seen
    assert not [sandbox for sandbox in seen if mark in sandbox or '"/proc/self' in sandbox]


REFUSED_BODIES: tuple[dict[str, object], ...] = (
    {"args": ["a\0b"]},
    {"args": ["--"] * 10_000},
    {"args": {"--privileged": True}},
    {"args": "a\0b"},
    {"lang": "py\0"},
    {"lang": "py --privileged"},
    {"lang": "--help"},
    {"lang": "/proc/self/fd/7"},
    {"lang": "../../bin/bash"},
    {"files": [{"id": "x" * 21, "session_id": "y" * 21, "name": "/proc/self/fd/7"}]},
    {"files": [{"id": "x" * 21, "session_id": "y" * 21, "name": "a\0b"}]},
    {"files": [{"id": "../../etc/passwd", "session_id": "y" * 21, "name": "a"}]},
)


@pytest.mark.case(33)
def test_what_cannot_be_data_is_refused(attacker: Caller) -> None:
    for body in REFUSED_BODIES:
        answer = attacker.http.post("/exec", json={"lang": "py", "code": "print(1)", **body})

        assert answer.status_code == httpx.codes.BAD_REQUEST, body
        assert answer.json()["error"]


@pytest.mark.case(33)
def test_nor_is_a_file_kept_under_the_name_of_a_descriptor(attacker: Caller) -> None:
    upload = {"file": ("/proc/self/fd/7", b"x")}
    answer = attacker.http.post("/upload", files=upload)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"] == "files[].name must be a relative path"
