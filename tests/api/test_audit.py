"""The audit log: who ran what, and what came of it."""

import asyncio
import json
import resource
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.audit import AuditLog
from api.dispatch import DispatchError
from executor.messages import Failed, FailureKind, Finished, RunReport, RunRequest
from storage.records import FileEntry
from tests.api.service import (
    DONE,
    KEY,
    OTHER_KEY,
    OTHER_TENANT,
    TENANT,
    Service,
    make_client,
    make_service,
    make_settings,
)

CODE = "print('marked-as-code')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Not there yet."""
    return tmp_path / "audit"


@pytest.fixture
def service(folder: Path) -> Service:
    return make_service(make_settings(audit_log_dir=folder, metrics="key"))


def run(service: Service, *, key: str = KEY, code: str = CODE, **headers: str) -> Any:
    body = {"lang": "py", "code": code}
    return make_client(service, key).post("/exec", json=body, headers=headers)


def lines(folder: Path, tenant: str = TENANT) -> list[dict[str, Any]]:
    text = (folder / f"{tenant}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_there_is_none_by_default(tmp_path: Path) -> None:
    service = make_service()

    assert run(service).status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_a_line_says_who_ran_what_and_what_came_of_it(service: Service, folder: Path) -> None:
    entry = FileEntry(
        id="F" * 21,
        name="marked-as-name.csv",
        storage_session_id="S" * 21,
        size_bytes=40,
        sha256="0" * 64,
        etag="",
        content_type="text/csv",
        created_at=datetime.now(UTC),
    )
    service.dispatcher.outcome = lambda _: Finished(
        exit_code=3,
        stdout="marked-as-output",
        stderr="é",
        wall_time_ms=17,
        files=(entry,),
        skipped_count=2,
    )

    run(service, **{"User-Id": "ann"})

    [line] = lines(folder)
    request = service.dispatcher.request
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line.pop("took_ms") >= 0
    assert line == {
        "event": "run",
        "tenant": TENANT,
        "tenant_class": "key",
        "user": "ann",
        "user_is_proven": False,
        "request_id": "",
        "run_id": request.run_id,
        "session_id": request.session_id,
        "language": "py",
        "code_sha256": sha256(CODE.encode()).hexdigest(),
        "code_bytes": len(CODE),
        "inputs": 0,
        "input_bytes": 0,
        "tools": None,
        "outcome": "failed",
        "exit_code": 3,
        "signal": None,
        "program_ms": 17,
        "stdout_bytes": 16,
        "stderr_bytes": 2,
        "files": 1,
        "file_bytes": 40,
        "files_deleted": 0,
        "files_skipped": 2,
    }
    assert "marked" not in (folder / f"{TENANT}.jsonl").read_text(encoding="utf-8")


def test_each_tenant_has_a_file_that_others_may_not_read(
    service: Service, folder: Path
) -> None:
    run(service)
    run(service, key=OTHER_KEY)
    run(service, key=OTHER_KEY)

    assert len(lines(folder)) == 1
    assert len(lines(folder, OTHER_TENANT)) == 2
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in folder.iterdir())


def test_a_file_that_rotation_has_moved_away_is_begun_anew(
    service: Service, folder: Path
) -> None:
    run(service)
    (folder / f"{TENANT}.jsonl").rename(folder / f"{TENANT}.jsonl.1")

    run(service)

    assert len(lines(folder)) == 1


@pytest.mark.parametrize("kind", [FailureKind.SANDBOX_LOST, FailureKind.CANCELLED])
def test_a_run_without_a_result_is_there_with_its_reason(
    service: Service, folder: Path, kind: FailureKind
) -> None:
    service.dispatcher.outcome = lambda _: Failed(kind=kind)

    run(service)

    assert lines(folder)[0]["outcome"] == kind.value
    assert "exit_code" not in lines(folder)[0]


def test_so_is_one_that_never_came_back(service: Service, folder: Path) -> None:
    def lost(_: RunRequest) -> Any:
        raise DispatchError("no report")

    service.dispatcher.outcome = lost

    assert run(service).status_code >= 500
    assert lines(folder)[0]["outcome"] == "no_report"


def test_a_client_that_leaves_is_there_too(service: Service, folder: Path) -> None:
    never = asyncio.Event()
    service.dispatcher.outcome = lambda _: never
    with make_client(service) as client, client.portal() as portal:
        running = portal.start_task_soon(_call_and_cancel, service)
        running.result()

    assert lines(folder)[0]["outcome"] == "abandoned"


async def _call_and_cancel(service: Service) -> None:
    from tests.api.service import Connection, pieces  # noqa: PLC0415

    connection = Connection(service.app, "POST", "/exec", content_type="application/json")
    body = json.dumps({"lang": "py", "code": CODE}).encode()
    asking = asyncio.create_task(connection.ask(pieces(body)))
    await service.dispatcher.began.wait()
    connection.leave()
    await asking


def test_a_line_that_cannot_be_written_stops_no_run_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").touch()
    settings = make_settings(audit_log_dir=tmp_path / "a-file" / "audit", metrics="key")
    service = make_service(settings)

    assert run(service).status_code == 200

    text = make_client(service).get("/metrics").text
    counted = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("code_command_audit")
    }
    assert counted["code_command_audit_errors_total"] == 1
    assert any("audit log is lost" in record.message for record in caplog.records)


def test_a_line_that_has_no_room_is_counted_and_spoils_no_other(folder: Path) -> None:
    lost: list[int] = []
    log = AuditLog(folder, failed=lambda: lost.append(1))
    request = RunRequest(
        run_id="0" * 32,
        session_id="s" * 21,
        tenant=TENANT,
        user="somebody",
        language="py",
        code=CODE,
        deadline=0.0,
    )

    def note(outcome: str) -> None:
        log.run_ended(request, outcome, None, began_at=time.time())

    note("before")
    with room_for((folder / f"{TENANT}.jsonl").stat().st_size + 20):
        note("without room")
    note("after")

    assert lost == [1]
    first, torn, last = (folder / f"{TENANT}.jsonl").read_text().splitlines()
    assert (json.loads(first)["outcome"], json.loads(last)["outcome"]) == ("before", "after")
    assert len(torn) == 20


@contextmanager
def room_for(size_bytes: int) -> Generator[None]:
    """Have no file grow beyond a size, as on a disk that is full: setrlimit(2)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_run_that_was_begun_again_is_found_by_the_session_of_its_files(
    service: Service, folder: Path
) -> None:
    run(service)
    request = service.dispatcher.request
    report = RunReport(run_id="again", session_id="T" * 21, result=DONE)

    AuditLog(folder).run_ended(request, "succeeded", report, began_at=0)

    sessions = [line["session_id"] for line in lines(folder)]
    assert sessions == [request.session_id, "T" * 21]
