"""What `doctor` says of settings and servers: each mistake with its mend."""

import os
import socket
from pathlib import Path

import pytest

from infra.local import doctor_installation
from infra.local.config import load_config
from infra.local.doctor_checks import Check, State
from infra.local.doctor_installation import examine_installation
from tests.api.broker import running_valkey

NOWHERE = "redis://:a-password@127.0.0.1:1/0"


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return str(port)


def checks(work_dir: Path, port: str, **environment: str) -> list[Check]:
    told = {"CODE_WORK_DIR": str(work_dir), "CODE_PORT": port, **environment}
    return list(examine_installation(load_config(told)))


def wrong(found: list[Check]) -> list[tuple[str, State]]:
    return [(check.name, check.state) for check in found if check.state is not State.OK]


def test_with_nothing_set_all_is_well(work_dir: Path, free_port: str) -> None:
    found = checks(work_dir, free_port, EXECUTOR_CONCURRENCY="1", SANDBOX_POOL_MAX="2")

    assert wrong(found) == []
    names = [check.name for check in found]
    assert names == ["settings", "port", "broker", "storage", "disk", "memory"]
    assert not work_dir.exists()


def test_a_bad_value_is_named_with_its_variable(work_dir: Path, free_port: str) -> None:
    for name in ("METRICS", "CPU_LIMIT"):  # One is the API's, the other the executor's.
        (found,) = checks(work_dir, free_port, **{name: "fast"})

        assert found.state is State.BAD
        assert found.text.startswith(f"{name}: ")


def test_a_work_folder_that_cannot_be_made_is_bad(tmp_path: Path, free_port: str) -> None:
    (tmp_path / "file").touch()

    found = checks(tmp_path / "file" / "work", free_port)

    assert ("disk", State.BAD) in wrong(found)


def test_a_slip_of_the_pen_is_seen(work_dir: Path, free_port: str) -> None:
    found = checks(work_dir, free_port, SANDBOX_POOLSIZE="3")

    assert ("settings", State.WARNING) in wrong(found)
    assert "did you mean SANDBOX_POOL_SIZE?" in found[0].text


def test_a_broker_that_does_not_answer_is_bad_and_its_password_is_not_told(
    work_dir: Path, free_port: str
) -> None:
    found = checks(work_dir, free_port, BROKER_URL=NOWHERE)

    assert ("results", State.BAD) in wrong(found)
    assert "a-password" not in repr(found)


def test_nor_that_of_rabbitmq(work_dir: Path, free_port: str) -> None:
    amqp = "amqp://user:a-password@127.0.0.1:1//"
    found = checks(work_dir, free_port, BROKER_URL=amqp, RESULT_BACKEND_URL=NOWHERE)

    assert {("broker", State.BAD), ("results", State.BAD)} <= set(wrong(found))
    assert "a-password" not in repr(found)


def test_one_that_answers_is_fine_unless_its_clock_is_another(
    work_dir: Path, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_valkey() as valkey:
        right = checks(work_dir, free_port, BROKER_URL=valkey.url)
        there = doctor_installation.time.time

        class Wrong:
            @staticmethod
            def time() -> float:
                return there() + 60

        monkeypatch.setattr(doctor_installation, "time", Wrong)
        late = checks(work_dir, free_port, BROKER_URL=valkey.url)

    assert "results" not in dict(wrong(right))
    assert ("results", State.WARNING) in wrong(late)
    assert any("60 s apart" in check.text for check in late)


def test_storage_that_does_not_answer_is_bad(work_dir: Path, free_port: str) -> None:
    found = checks(
        work_dir,
        free_port,
        S3_ENDPOINT_URL="http://127.0.0.1:1",
        S3_ACCESS_KEY_ID="id",
        S3_SECRET_ACCESS_KEY="a-password",
    )

    assert ("storage", State.BAD) in wrong(found)
    assert "a-password" not in repr(found)


def test_a_port_that_somebody_else_has_is_bad(work_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        found = checks(work_dir, port)

    assert ("port", State.BAD) in wrong(found)
    assert any(f"ss -ltnp 'sport = :{port}'" in check.advice for check in found)


def test_more_memory_than_there_is_is_a_warning(work_dir: Path, free_port: str) -> None:
    found = checks(work_dir, free_port, EXECUTOR_CONCURRENCY="10000")

    assert ("memory", State.WARNING) in wrong(found)


def test_a_full_disk_is_bad(
    work_dir: Path, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_installation, "LEAST_FREE_BYTES", 1 << 60)

    assert ("disk", State.BAD) in wrong(checks(work_dir, free_port))


def test_traces_without_their_packages_are_bad(
    work_dir: Path, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = "http://127.0.0.1:4318"
    with_them = checks(work_dir, free_port, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    monkeypatch.setattr(doctor_installation.importlib.util, "find_spec", _nothing)
    without = checks(work_dir, free_port, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)

    assert "traces" not in dict(wrong(with_them))
    assert ("traces", State.BAD) in wrong(without)


def test_an_audit_log_that_can_be_written_is_fine(work_dir: Path, free_port: str) -> None:
    found = checks(work_dir, free_port, AUDIT_LOG_DIR=str(work_dir / "audit"))

    assert "audit log" in [check.name for check in found]
    assert "audit log" not in dict(wrong(found))


def test_one_in_a_folder_of_nobodys_is_bad(
    work_dir: Path, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the kernel is not asked."""
    monkeypatch.setattr(os, "access", _nothing)

    found = checks(work_dir, free_port, AUDIT_LOG_DIR=str(work_dir / "audit"))

    assert ("audit log", State.BAD) in wrong(found)


def test_every_mistake_has_a_mend(work_dir: Path, free_port: str) -> None:
    found = checks(
        work_dir, free_port, BROKER_URL=NOWHERE, SANDBOX_X="1", EXECUTOR_CONCURRENCY="10000"
    )

    assert len(wrong(found)) >= 3
    assert all(check.advice for check in found if check.state is not State.OK)


def _nothing(*_: object) -> None:
    """Find, or allow, nothing."""
