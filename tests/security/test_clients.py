"""Case 56: clients that leave while their program runs, and come again."""

import json
import secrets
import socket
from collections.abc import Callable

import pytest

from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, stored_files
from tests.security.conftest import RUNTIME
from tests.security.host_view import programs_with

pytestmark = [pytest.mark.docker, pytest.mark.case(56)]

GONE_WITHIN_S = 10.0 if RUNTIME == "runsc" else 3.0
"""From the moment that a client leaves. Programs may run for longer. On gVisor, asking what
runs takes seconds by itself."""


def program(target: RunningService) -> tuple[str, Callable[[], int]]:
    """Return one that leaves a file and sleeps, and what counts its processes."""
    # Nobody else sleeps for so long.
    duration = f"{600 + secrets.randbelow(10**9) / 10**9:.9f}"

    def alive() -> int:
        return len(programs_with(f"sleep\0{duration}\0", target))

    return f"echo left > left.txt; sleep {duration}", alive


def ask(target: RunningService, caller: Caller, code: str, **headers: str) -> socket.socket:
    """Ask for a run on a connection of its own; wait for nothing."""
    body = json.dumps({"lang": "bash", "code": code}).encode()
    lines = ["POST /exec HTTP/1.1", "Host: x", f"X-API-Key: {caller.key}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    line = socket.create_connection(("127.0.0.1", target.port), timeout=20)
    line.sendall(head + body)
    return line


def test_a_run_ends_with_its_client_and_leaves_nothing(
    target: RunningService, attacker: Caller
) -> None:
    before = target.stored()
    code, alive = program(target)
    with ask(target, attacker, code):
        eventually(lambda: alive() == 1, "it runs")

    eventually(lambda: alive() == 0, "it is ended", timeout_s=GONE_WITHIN_S)
    assert target.stored() == before


def test_so_do_many_that_leave_at_once_whether_their_runs_have_begun_or_wait(
    target: RunningService, attacker: Caller
) -> None:
    before = target.stored()
    code, alive = program(target)
    lines = [ask(target, attacker, code) for _ in range(12)]
    eventually(lambda: alive() >= 2, "some of them run")
    for line in lines:
        line.close()

    eventually(lambda: alive() == 0, "all of them are ended", timeout_s=2 * GONE_WITHIN_S)
    # Those that waited were not begun later: the next run is, and is alone.
    assert attacker.run("echo next", lang="bash")["stdout"] == "next\n"
    assert alive() == 0
    assert target.stored() == before


def test_a_client_that_leaves_within_its_request_starts_nothing(
    target: RunningService, attacker: Caller
) -> None:
    code, alive = program(target)
    body = json.dumps({"lang": "bash", "code": code}).encode()
    head = f"POST /exec HTTP/1.1\r\nHost: x\r\nX-API-Key: {attacker.key}\r\n"
    for missing in (1, len(body)):
        line = socket.create_connection(("127.0.0.1", target.port), timeout=20)
        with line:
            line.sendall(
                f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-missing]
            )

    assert attacker.run("echo next", lang="bash")["stdout"] == "next\n"
    assert alive() == 0


def test_a_run_that_is_asked_for_again_is_another_run(
    target: RunningService, attacker: Caller
) -> None:
    """Nothing tells a repetition from a second wish: each is run once, and the first has ended
    with its client. A run has no effect outside of its sandbox and its own session."""
    again = {"Idempotency_Key": "one", "X_LibreChat_Code_Request_ID": "0" * 32}
    code, alive = program(target)
    with ask(target, attacker, code, **again):
        eventually(lambda: alive() == 1, "it runs")
    with ask(target, attacker, code, **again):
        eventually(lambda: alive() == 1, "the second one runs alone")
        first, second = [attacker.run("echo 1 > a.txt", lang="bash") for _ in range(2)]

    eventually(lambda: alive() == 0, "the second one is ended, too", timeout_s=GONE_WITHIN_S)
    assert first["session_id"] != second["session_id"]
    assert stored_files(first)["a.txt"].id != stored_files(second)["a.txt"].id
