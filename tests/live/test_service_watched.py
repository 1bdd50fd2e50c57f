"""What an operator sees of the running service, and what nobody sees."""

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.config import CHECKOUT
from tests.live.programmatic import programs
from tests.live.running_service import TENANTS, RunningService, eventually, running_service
from tests.live.running_service_caller import Caller
from tests.live.trace_collector import Collector, trace_collector

pytestmark = pytest.mark.docker

MARK = f"marked{secrets.token_hex(6)}"
"""In programs, what they print, files and their names, and everything else of a user's."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with trace_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[RunningService]:
    """The service with all that can be seen of it switched on."""
    folder = tmp_path_factory.mktemp("watched")
    settings = {
        "AUDIT_LOG_DIR": str(folder / "audit"),
        "LOG_LEVEL": "DEBUG",
        "METRICS": "open",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with running_service(folder / "work", settings) as service:
        yield service


@pytest.fixture
def user(watched: RunningService) -> Iterator[Caller]:
    with watched.caller() as user:
        yield user


def audit_lines(service: RunningService, tenant: str = TENANTS[0]) -> list[dict[str, Any]]:
    path = Path(service.settings["AUDIT_LOG_DIR"]) / f"{tenant}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def log_lines(service: RunningService, process: str) -> list[dict[str, Any]]:
    lines = service.log(process).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_one_request_is_followed_by_its_id_from_the_api_to_the_executor(
    watched: RunningService, user: Caller
) -> None:
    request_id = f"request-{secrets.token_hex(6)}"

    answer = user.http.post(
        "/exec", json={"lang": "py", "code": "1"}, headers={"X-Request-ID": request_id}
    )

    assert answer.headers["X-Request-ID"] == request_id
    session_id = answer.json()["session_id"]
    for process, event in (("api", "run ended"), ("executor", "ended with 0")):

        def lines(process: str = process, event: str = event) -> list[dict[str, Any]]:
            return [
                line
                for line in log_lines(watched, process)
                if line.get("request_id") == request_id and event in line["event"]
            ]

        eventually(lines, f"{process} tells of it")
        (line,) = lines()
        assert line["session_id"] == session_id
        assert re.fullmatch(r"[0-9a-f]{32}", line["run_id"])
        assert line["level"] == "info"


def test_whoever_gives_no_id_is_given_one(user: Caller) -> None:
    first, second = (user.http.get("/health").headers["X-Request-ID"] for _ in range(2))

    assert first != second
    assert user.http.get("/no-such-route").headers["X-Request-ID"]


def test_every_line_of_ours_is_json(watched: RunningService, user: Caller) -> None:
    user.run("1")

    for process in ("api", "executor"):
        lines = watched.log(process).splitlines()
        assert [line for line in lines if not line.startswith("{")] == []


def test_logs_are_text_where_they_were_told_to_be(tmp_path: Path) -> None:
    settings = {"LOG_FORMAT": "text", "SANDBOX_POOL_SIZE": "0", "SANDBOX_POOL_MAX": "0"}
    with running_service(tmp_path / "work", settings) as service:
        assert re.search(r"^\d{4}-\S+ \[info", service.log("api"), re.MULTILINE)
        assert log_lines(service, "executor") == []


def test_who_ran_what_is_in_the_audit_log(watched: RunningService, user: Caller) -> None:
    answer = user.run("open('a.txt', 'w').write('ab'); raise SystemExit(3)")
    with watched.caller(TENANTS[1]) as stranger:
        stranger.run("1")

    line = audit_lines(watched)[-1]
    assert line["session_id"] == answer["session_id"]
    assert (line["outcome"], line["exit_code"]) == ("failed", 3)
    assert (line["files"], line["file_bytes"]) == (1, 2)
    assert {each["tenant"] for each in audit_lines(watched)} == {TENANTS[0]}
    assert len(audit_lines(watched, TENANTS[1])) >= 1


def test_so_are_the_rounds_of_a_program_that_calls_tools(
    watched: RunningService, user: Caller
) -> None:
    last = programs(user).run("print(await repeat(value=1))")

    assert last["status"] == "completed", last
    begun, ended = audit_lines(watched)[-2:]
    assert (begun["event"], begun["outcome"], begun["tools"]) == ("run", "waits", 3)
    assert (ended["event"], ended["outcome"], ended["exit_code"]) == ("round", "succeeded", 0)
    assert begun["run_id"] == ended["run_id"]
    assert begun["session_id"] == ended["session_id"]


def test_one_trace_shows_a_run_from_the_request_to_the_sandbox(
    user: Caller, collector: Collector
) -> None:
    file = user.upload("in.txt", b"1")
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    user.http.headers["traceparent"] = f"00-{trace_id}-{parent_id}-01"

    user.run("open('out.txt', 'w').write('2')", file)

    expected = {
        "HTTP POST": "code-command-api",
        "queue": "code-command-api",
        "queue.broker": "code-command-api",
        "s3.read": "code-command-api",
        "executor": "code-command-executor",
        "s3.open": "code-command-executor",
        "s3.put": "code-command-executor",
        "sandbox.claim": "code-command-executor",
        "sandbox.run": "code-command-executor",
    }
    eventually(lambda: expected.keys() <= collector.of_trace(trace_id).keys(), "all came")
    found = collector.of_trace(trace_id)
    assert {name: found[name].service for name in expected} == expected
    above = {span.id: span.parent_id for span in found.values()}
    assert found["HTTP POST"].parent_id == parent_id
    assert found["queue"].parent_id == found["HTTP POST"].id
    assert found["executor"].parent_id == found["queue"].id
    assert above[found["sandbox.run"].id] == found["executor"].id
    assert found["sandbox.run"].took_s <= found["executor"].took_s <= found["queue"].took_s


def test_what_makes_sandboxes_is_seen_apart_from_whoever_uses_them(
    watched: RunningService, user: Caller, collector: Collector
) -> None:
    user.run("1")

    def made() -> list[str]:
        return [span.parent_id for span in collector.spans if span.name == "sandbox.create"]

    eventually(made, "a sandbox was made")
    assert set(made()) == {""}
    assert watched.pool_size <= len(made())


def test_how_many_runs_lie_at_the_broker_is_among_the_figures(user: Caller) -> None:
    user.run("1")

    figures = user.http.get("/metrics").text
    assert "\ncode_command_broker_queue_length 0.0\n" in figures
    assert "\ncode_command_broker_up 1.0\n" in figures
    assert "\ncode_command_storage_up 1.0\n" in figures


def test_status_shows_hosts_pools_and_queues(watched: RunningService) -> None:
    said = subprocess.run(
        (sys.executable, "-P", "-m", "infra.local", "status", "--json"),
        cwd=CHECKOUT,
        env=watched.environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout

    told = json.loads(said)
    assert told["ready"] is True
    assert told["executors"][0]["capacity"] > 0
    assert told["executors"][0]["figures"]["sandboxes_made"] >= watched.pool_size
    assert told["apis"][0]["waiting"] == 0
    assert told["queue_length"] == 0


def test_nothing_of_a_users_is_in_any_log_figure_trace_or_audit_line(
    watched: RunningService, user: Caller, collector: Collector
) -> None:
    """Whatever goes right or wrong: programs, output, files, names, tools and keys."""
    file = user.upload(f"{MARK}.csv", MARK.encode())
    code = (
        f"import sys; print('{MARK}', open('{MARK}.csv').read())\n"
        f"print('{MARK}', file=sys.stderr)\n"
        f"open('{MARK}.txt', 'w').write('{MARK}'); raise ValueError('{MARK}')"
    )
    assert MARK in user.run(code, file)["stdout"]
    user.download(file)
    _provoke(user)
    _call_tools(user)
    request_id = secrets.token_hex(8)
    user.http.post(
        "/exec", json={"lang": "py", "code": "1"}, headers={"X-Request-ID": request_id}
    )
    for process in ("api", "executor"):
        eventually(lambda process=process: request_id in watched.log(process))
    count = len(collector.bodies)
    user.run("1")
    eventually(lambda: len(collector.bodies) >= count + 2, "traces came after all that")

    seen = {
        **{name: watched.log(name) for name in ("api", "executor", "broker", "storage")},
        "up": watched.output,
        "figures": user.http.get("/metrics").text,
        "traces": b"".join(collector.bodies).decode("latin-1"),
        "audit": json.dumps(audit_lines(watched)),
    }
    assert all(len(text) > 100 for name, text in seen.items() if name != "broker"), seen.keys()
    assert [name for name, text in seen.items() if MARK in text] == []
    assert [name for name, text in seen.items() if user.key in text] == []


def _provoke(user: Caller) -> None:
    """Do all that ends in an error, with the mark in it."""
    exec_, headers = user.http.post, {"Content-Type": "application/json"}
    refused = [
        exec_("/exec", content=f'{{"lang": "py", "code": "{MARK}', headers=headers),
        exec_("/exec", json={"lang": MARK, "code": MARK}),
        exec_("/exec", json={"lang": "py", "code": "1", "files": [{"name": MARK}]}),
        exec_("/exec", json={"lang": "py", "code": "1", "args": {MARK: 1}}),
        exec_("/exec", json={"lang": "py", "code": MARK}, headers={"X-API-Key": MARK}),
        exec_("/upload", files={"file": (f"../{MARK}\\", b"x")}),
        user.http.get(f"/{MARK}?token={MARK}"),
        user.http.get(f"/download/{'A' * 21}/{'B' * 21}?name={MARK}"),
        user.http.get("/files/x", headers={"Authorization": f"Bearer {MARK}"}),
    ]
    assert [answer.status_code for answer in refused if answer.is_success] == []


def _call_tools(user: Caller) -> None:
    last = programs(user).run(f"print(await repeat(value='{MARK}'))")
    assert MARK in last["stdout"]
