"""What `POST /exec` answers (librechat-contract 2.2)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.dispatch import (
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    QueueFullError,
    RunTimedOutError,
    TenantQueueFullError,
)
from executor.messages import Failed, FailureKind, Finished, SkippedFile, Stopped
from storage.records import FileReference
from tests.api.service import DONE, UNKNOWN_ID, Connection, Service, pieces

Client = TestClient[Litestar]

RUN = {"lang": "py", "code": "print(1)"}


def run(client: Client) -> Any:
    return client.post("/exec", json=RUN)


class TestResults:
    def test_every_field_of_a_plain_result(self, client: Client, service: Service) -> None:
        service.dispatcher.outcome = lambda _: Finished(
            exit_code=0, stdout="1\n", stderr="", wall_time_ms=88
        )

        answer = run(client)

        assert answer.status_code == 200
        assert answer.json() == {
            "session_id": service.dispatcher.request.session_id,
            "stdout": "1\n",
            "stderr": "",
            "files": [],
            "code": 0,
            "signal": None,
            "message": None,
            "status": None,
            "wall_time": 88,
        }

    @pytest.mark.parametrize(
        ("result", "shown"),
        [
            (
                {"exit_code": 3, "stderr": "ZeroDivisionError"},
                {"code": 3, "signal": None, "status": None},
            ),
            (
                {"exit_code": None, "signal": "SIGKILL", "stopped": Stopped.TIME},
                {"code": None, "signal": "SIGKILL", "status": "TO"},
            ),
            (
                {"exit_code": None, "stopped": Stopped.STDOUT, "message": "too long"},
                {"status": "OL", "message": "too long"},
            ),
            ({"exit_code": None, "stopped": Stopped.MEMORY}, {"status": "SG"}),
        ],
        ids=["exit code", "time", "stdout", "memory"],
    )
    def test_a_failed_program_is_a_successful_answer(
        self, client: Client, service: Service, result: dict[str, Any], shown: dict[str, Any]
    ) -> None:
        """Trap 8."""
        service.dispatcher.outcome = lambda _: DONE.model_copy(update=result)

        answer = run(client)

        assert answer.status_code == 200
        assert shown.items() <= answer.json().items()

    def test_files_say_what_became_of_them(self, client: Client, service: Service) -> None:
        new = anyio.run(service.store_file, "plots/trend.png")
        old = FileReference(id=UNKNOWN_ID, storage_session_id="S" * 21)
        service.dispatcher.outcome = lambda _: DONE.model_copy(
            update={
                "files": (
                    new,
                    new.model_copy(update={"modified_from": old}),
                    new.model_copy(update={"inherited": True, "entity_id": "agent_1"}),
                )
            }
        )

        files = run(client).json()["files"]

        plain = {
            "id": new.id,
            "name": "plots/trend.png",
            "storage_session_id": new.storage_session_id,
            "session_id": new.storage_session_id,
        }
        assert files == [
            plain,
            {**plain, "modified_from": {"id": UNKNOWN_ID, "storage_session_id": "S" * 21}},
            {**plain, "inherited": True, "entity_id": "agent_1"},
        ]

    def test_deleted_inputs_are_named(self, client: Client, service: Service) -> None:
        service.dispatcher.outcome = lambda _: DONE.model_copy(
            update={"deleted_files": ("a.csv", "b/c.csv")}
        )

        assert run(client).json()["deleted_files"] == ["a.csv", "b/c.csv"]

    def test_files_that_were_not_kept_are_counted(
        self, client: Client, service: Service
    ) -> None:
        service.dispatcher.outcome = lambda _: DONE.model_copy(
            update={
                "skipped": (
                    SkippedFile(name="big.bin", reason="too large"),
                    SkippedFile(name="huge.bin", reason="too large"),
                ),
                "skipped_count": 40,
            }
        )

        assert run(client).json()["artifact_truncation"] == {
            "reasons": ["too large"],
            "skipped_count": 40,
            "skipped": ["big.bin", "huge.bin"],
        }


class TestFailures:
    @pytest.mark.parametrize(
        ("kind", "status", "error", "message"),
        [
            (
                FailureKind.SANDBOX_UNAVAILABLE,
                503,
                "microvm_launch_failed",
                "Sandbox launch failed",
            ),
            (FailureKind.SANDBOX_LOST, 502, "sandbox_execution_failed", "The sandbox was lost"),
            (
                FailureKind.INPUT_UNAVAILABLE,
                422,
                "session_input_unavailable",
                "One or more input files are unavailable",
            ),
            (
                FailureKind.INPUT_TOO_LARGE,
                413,
                "session_input_too_large",
                "Input files exceed the delivery limit",
            ),
            (
                FailureKind.STORAGE_UNAVAILABLE,
                502,
                "session_input_source_failed",
                "Input file service is unavailable",
            ),
            (FailureKind.DEADLINE_EXCEEDED, 504, "execution_timeout", "Execution timed out"),
            (
                FailureKind.CANCELLED,
                503,
                "microvm_unhealthy",
                "Sandbox runtime is unavailable",
            ),
        ],
        ids=str,
    )
    def test_each_kind_has_its_answer(  # noqa: PLR0913, PLR0917 - a table of four columns
        self,
        client: Client,
        service: Service,
        kind: FailureKind,
        status: int,
        error: str,
        message: str,
    ) -> None:
        service.dispatcher.outcome = lambda _: Failed(kind=kind)

        answer = run(client)

        assert answer.status_code == status
        assert answer.json()["error"] == error
        assert answer.json()["message"].startswith(message)

    def test_no_kind_is_without_answer(self, client: Client, service: Service) -> None:
        for kind in FailureKind:
            service.dispatcher.outcome = lambda _, kind=kind: Failed(kind=kind)
            assert run(client).status_code not in {200, 500}

    @pytest.mark.parametrize(
        ("fault", "status", "error"),
        [
            (ExecutorsUnavailableError, 503, "microvm_unhealthy"),
            (ExecutorLostError, 502, "sandbox_execution_failed"),
            (RunTimedOutError, 504, "execution_timeout"),
            (QueueFullError, 503, "microvm_launch_throttled"),
            (DispatchError, 502, "sandbox_execution_failed"),
        ],
    )
    def test_a_run_that_cannot_be_carried(
        self,
        client: Client,
        service: Service,
        fault: type[DispatchError],
        status: int,
        error: str,
    ) -> None:
        def fail(_: object) -> None:
            raise fault("redis://:secret@broker:6379 is gone")

        service.dispatcher.outcome = fail

        answer = run(client)

        assert answer.status_code == status
        assert answer.json()["error"] == error
        assert "secret" not in answer.text
        assert (answer.headers.get("retry-after") is not None) == (status == 503)

    def test_a_tenant_with_too_many_waiting_is_told_as_beyond_a_rate(
        self, client: Client, service: Service
    ) -> None:
        """In the contract's words for that (6.2), which clients understand."""

        def refuse(_: object) -> None:
            raise TenantQueueFullError("default", limit=200)

        service.dispatcher.outcome = refuse

        answer = run(client)

        wait_s = int(answer.headers["retry-after"])
        assert answer.status_code == 429
        assert wait_s >= 1
        assert answer.json() == {
            "error": "rate_limited",
            "message": (
                f"Too many CodeAPI execution requests. Please retry in {wait_s} seconds."
            ),
            "retry_after_seconds": wait_s,
        }
        assert answer.headers["ratelimit-limit"] == "200"
        assert answer.headers["ratelimit-remaining"] == "0"
        assert answer.headers["ratelimit-reset"] == str(wait_s)

    def test_a_bug_says_nothing_of_our_insides_to_anybody_but_the_log(
        self, client: Client, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("the secret inside")

        service.dispatcher.outcome = fail

        answer = run(client)

        assert answer.status_code == 500
        assert answer.json() == {"error": "Internal server error"}
        assert "the secret inside" in caplog.text
        assert "Traceback" in caplog.text

    def test_nothing_that_a_client_sends_is_logged(
        self, client: Client, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Older clients put the key into the body, too (trap 22)."""
        caplog.set_level(logging.DEBUG)
        service.dispatcher.outcome = lambda _: Failed(kind=FailureKind.SANDBOX_LOST)
        body = {"lang": "py", "code": "print('private')", "apiKey": "body-key"}

        client.post("/exec?token=query-secret", json=body)
        client.post("/exec", content=b'{"apiKey": "body-key", "code": "private')

        # The test's own client has a log as well.
        ours = [record for record in caplog.records if not record.name.startswith("http")]
        logged = "\n".join(record.getMessage() for record in ours)
        assert "/exec" in logged
        for secret in ("private", "body-key", "query-secret", client.headers["x-api-key"]):
            assert secret not in logged


@pytest.mark.anyio
class TestLeaving:
    async def test_a_client_that_leaves_has_its_run_cancelled(self, service: Service) -> None:
        service.dispatcher.outcome = lambda _: asyncio.Event()
        connection = Connection(service.app, "POST", "/exec")
        asking = asyncio.create_task(connection.ask(pieces(json.dumps(RUN).encode())))
        await service.dispatcher.began.wait()

        connection.leave()

        async with asyncio.timeout(5):
            await service.dispatcher.cancelled.wait()
            await asking

    async def test_a_client_that_leaves_while_it_sends_starts_nothing(
        self, service: Service
    ) -> None:
        connection = Connection(service.app, "POST", "/exec")

        await connection.ask(pieces(b'{"lang": "py", '), then_leave=True)

        assert service.dispatcher.requests == []
        assert connection.status == 499

    async def test_a_server_that_stops_cancels_what_runs(self, service: Service) -> None:
        service.dispatcher.outcome = lambda _: asyncio.Event()
        connection = Connection(service.app, "POST", "/exec")
        asking = asyncio.create_task(connection.ask(pieces(json.dumps(RUN).encode())))
        await service.dispatcher.began.wait()

        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        assert service.dispatcher.cancelled.is_set()

    async def test_a_client_that_stalls_is_not_waited_for(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.body.PACE_S", 0.05)

        async def stalling() -> AsyncIterator[bytes]:
            yield b'{"lang": "py", '
            await asyncio.Event().wait()

        connection = Connection(service.app, "POST", "/exec")
        await connection.ask(stalling())

        assert connection.status == 408
        assert connection.json["error"] == "Request timeout"
