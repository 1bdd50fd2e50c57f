"""`POST /exec/programmatic`: every check of a continuation (contract 4.4), on a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import closing, suppress
from typing import Any

import pytest

from api.dispatch import ExecutorLostError, ExecutorsUnavailableError, RunTimedOutError
from api.programmatic_store import REQUEST_PREFIX
from api.settings import ApiSettings
from executor.messages import Failed, FailureKind, Finished, RunRequest
from executor.tool_messages import RoundRequest, Waiting
from tests.api.broker import Valkey
from tests.api.programmatic import PROGRAM, ask, carry_on, given, held, waiting
from tests.api.service import DONE, OTHER_KEY, Service, make_service

pytestmark = pytest.mark.anyio

TOKEN = "t" * 43


@pytest.fixture
async def service(valkey: Valkey) -> AsyncGenerator[Service]:
    service = make_service(result_url=valkey.url)
    yield service
    await service.executions.close()


class TestWaiting:
    async def test_the_calls_are_told_with_all_that_was_printed(self, service: Service) -> None:
        service.dispatcher.outcome = lambda _: waiting(1, 2)
        status, body = await ask(service, PROGRAM)

        token = body.pop("continuation_token")
        assert len(token) == 43
        assert body == {
            "status": "tool_call_required",
            "session_id": service.dispatcher.request.session_id,
            "tool_calls": [
                {"id": f"call_00{n}", "name": "get-weather", "input": {"city": "Lund"}}
                for n in (1, 2)
            ],
            "partial_stdout": "looking\n",
        }
        assert status == 200

    async def test_answers_go_to_the_executor_that_holds_it(self, service: Service) -> None:
        token = await held(service)
        status, body = await carry_on(service, token, given(1))

        (asked,) = service.rounds.requests
        assert asked.held_run_id == "held"
        assert [(each.number, each.text) for each in asked.results] == [(1, "1")]
        assert (status, body["status"]) == (200, "completed")
        assert body["session_id"] == service.dispatcher.request.session_id

    async def test_an_error_goes_with_its_message_or_the_contracts(
        self, service: Service
    ) -> None:
        token = await held(service, 1, 2)
        results = [
            *given(1, is_error=True, error_message="upstream exploded"),
            *given(2, is_error=True),
        ]
        await carry_on(service, token, results)

        told = [(each.is_error, each.text) for each in service.rounds.requests[0].results]
        assert told == [(True, "upstream exploded"), (True, "tool execution failed")]

    async def test_some_answers_are_enough_and_the_rest_is_asked_for(
        self, service: Service
    ) -> None:
        token = await held(service, 1, 2)
        service.rounds.outcome = lambda _: waiting(2)
        status, body = await carry_on(service, token, given(1))

        assert status == 200
        assert [call["id"] for call in body["tool_calls"]] == ["call_002"]
        assert body["continuation_token"] == token


class TestChecks:
    @pytest.mark.parametrize(
        ("results", "error"),
        [
            (
                None,
                "tool_results must be an array when continuation_token is provided",
            ),
            ({}, "tool_results must be an array when continuation_token is provided"),
            (
                [],
                (
                    "tool_results must be a non-empty array; resubmit with at least one result"
                    " per pending tool call"
                ),
            ),
            (given(*range(201)), "tool_results has 201 entries; the per-batch cap is 200"),
            ([5], "tool_results entries must be objects"),
            ([None], "tool_results entries must be objects"),
            (
                [{"call_id": "call_1", "result": 1}],
                "tool_results[].call_id must match /^call_\\d{3,6}$/, got: call_1",
            ),
            (
                [{"call_id": "call_\u0660\u0660\u0661", "result": 1}],
                (
                    "tool_results[].call_id must match /^call_\\d{3,6}$/, got:"
                    " call_\u0660\u0660\u0661"
                ),
            ),
            (
                [{"result": 1}],
                "tool_results[].call_id must match /^call_\\d{3,6}$/, got: null",
            ),
            ([{"call_id": "call_001"}], "tool_results[call_001].result is required"),
            (
                given(1, is_error="no"),
                "tool_results[call_001].is_error must be a boolean if present",
            ),
            (
                given(1, error_message=5),
                "tool_results[call_001].error_message must be a string if present",
            ),
            (
                [{"call_id": "call_001", "result": "x" * 5_000_000}],
                (
                    "tool_results[call_001].result is 5000002 bytes, exceeds per-result cap"
                    " 5000000"
                ),
            ),
            (given(1, 1), "Duplicate call_id in tool_results: call_001"),
        ],
    )
    async def test_what_is_wrong_is_told_before_anybody_looks_for_the_program(
        self, service: Service, results: Any, error: str
    ) -> None:
        status, body = await carry_on(service, TOKEN, results)

        assert (status, body["error"]) == (400, error)

    async def test_a_result_that_is_no_text_is_told(self, service: Service) -> None:
        results = b'[{"call_id":"call_001","result":"\xff"}]'
        body = b'{"continuation_token":"%b","tool_results":' + results + b"}"
        status, told = await ask(service, body % TOKEN.encode())

        assert (status, told["error"]) == (
            400,
            "tool_results[call_001].result is not JSON-serializable",
        )

    async def test_an_entry_that_is_too_large_is_told(self, service: Service) -> None:
        results = given(1, error_message="x" * 5_000_000)
        status, body = await carry_on(service, TOKEN, results)

        assert status == 400
        assert body["error"].startswith("tool_results[call_001] serialized entry is 50000")
        assert body["error"].endswith(" bytes, exceeds per-entry cap 5000000")

    @pytest.mark.parametrize("token", ["", "dG9r", 5, "t" * 44, "../" + "t" * 40])
    async def test_what_is_no_token_of_ours_is_told(self, service: Service, token: Any) -> None:
        status, body = await carry_on(service, token, given(1))

        assert (status, body["error"]) == (400, "Invalid continuation token")

    async def test_an_unknown_token_is_a_404(self, service: Service) -> None:
        assert await carry_on(service, TOKEN, given(1)) == (
            404,
            {"error": "Execution not found or expired"},
        )

    async def test_a_call_that_was_not_made_is_told(self, service: Service) -> None:
        token = await held(service)
        status, body = await carry_on(service, token, given(1, 2))

        assert (status, body["error"]) == (
            400,
            "tool_results[call_002] was not issued by the sandbox for this execution",
        )
        assert service.rounds.requests == []

    async def test_a_call_is_not_answered_twice_under_two_spellings(
        self, service: Service
    ) -> None:
        token = await held(service)
        status, body = await carry_on(
            service, token, [*given(1), {"call_id": "call_0001", "result": 2}]
        )

        assert (status, body["error"]) == (
            400,
            "tool_results[call_0001] was not issued by the sandbox for this execution",
        )
        assert service.rounds.requests == []

    async def test_null_is_a_result(self, service: Service) -> None:
        token = await held(service)
        await carry_on(service, token, [{"call_id": "call_001", "result": None}])

        assert service.rounds.requests[0].results[0].text == "null"

    async def test_all_results_together_are_bounded(self, service: Service) -> None:
        token = await held(service, *range(1, 11))
        big = "x" * 4_900_000
        status, number, body = 0, 0, {"error": ""}
        for number in range(1, 11):
            service.rounds.outcome = lambda _, n=number: waiting(*range(n + 1, 12))
            results = [{"call_id": f"call_{number:03}", "result": big}]
            status, body = await carry_on(service, token, results)
            if status != 200:
                break

        assert (status, number) == (400, 9)
        assert body["error"].startswith("Aggregate tool_history for this execution would be")
        assert body["error"].endswith("exceeds cap 40000000")


class TestWhoseItIs:
    async def test_another_tenant_is_forbidden(self, service: Service) -> None:
        token = await held(service)

        assert await carry_on(service, token, given(1), key=OTHER_KEY) == (
            403,
            {"error": "Forbidden"},
        )

    async def test_another_user_of_the_same_key_is_forbidden(self, service: Service) -> None:
        token = await held(service)
        status, _ = await carry_on(service, token, given(1), user_id="somebody-else")

        assert status == 403
        assert service.rounds.requests == []

    async def test_the_same_user_with_another_key_is_forbidden(self, valkey: Valkey) -> None:
        """Tenant and user are the same: what differs is how they are proven."""
        keys = "acme=the-first-of-two-keys,acme=the-second-of-two-keys"
        settings = ApiSettings.model_validate({"code_api_keys": keys})
        service = make_service(settings, result_url=valkey.url)
        service.dispatcher.outcome = lambda _: waiting()
        begun = await ask(service, PROGRAM, key="the-first-of-two-keys", user_id="one")
        token = begun[1]["continuation_token"]
        second, first = [
            await carry_on(service, token, given(1), key=key, user_id="one")
            for key in ("the-second-of-two-keys", "the-first-of-two-keys")
        ]
        await service.executions.close()

        assert second == (403, {"error": "Forbidden"})
        assert first[0] == 200


class TestRepeating:
    async def test_the_same_again_gives_the_same_and_no_second_step(
        self, service: Service
    ) -> None:
        token = await held(service)
        service.rounds.outcome = lambda _: waiting(2)
        first = await carry_on(service, token, given(1))
        again = await carry_on(service, token, given(1))

        assert first == again
        assert len(service.rounds.requests) == 1

    async def test_the_end_can_be_asked_for_again(self, service: Service) -> None:
        token = await held(service)
        first = await carry_on(service, token, given(1))

        assert await carry_on(service, token, given(1)) == first
        assert len(service.rounds.requests) == 1

    async def test_another_answer_to_the_same_call_is_a_409(self, service: Service) -> None:
        token = await held(service)
        service.rounds.outcome = lambda _: waiting(2)
        await carry_on(service, token, given(1))
        other = [{"call_id": "call_001", "result": "other"}]
        status, body = await carry_on(service, token, [*other, *given(2)])

        assert (status, body["error"]) == (
            409,
            (
                "tool_results[call_001] has already been recorded with a different payload;"
                " replay history is immutable"
            ),
        )
        assert len(service.rounds.requests) == 1

    async def test_two_at_once_are_a_409(self, service: Service) -> None:
        token = await held(service)
        begun, go_on = asyncio.Event(), asyncio.Event()

        def outcome(_: RoundRequest) -> asyncio.Event:
            begun.set()
            return go_on

        service.rounds.outcome = outcome
        first = asyncio.create_task(carry_on(service, token, given(1)))
        await begun.wait()
        status, body = await carry_on(service, token, given(1))
        go_on.set()

        assert (status, body["error"]) == (
            409,
            "Another continuation is already in flight for this execution; retry shortly",
        )
        assert (await first)[1]["status"] == "completed"


class TestFailures:
    @pytest.mark.parametrize(
        ("outcome", "status", "error"),
        [
            (Failed(kind=FailureKind.NOT_HELD), 404, "Execution not found or expired"),
            (ExecutorLostError("gone"), 404, "Execution not found or expired"),
            (Failed(kind=FailureKind.SANDBOX_LOST), 200, "Sandbox execution failed"),
            (RunTimedOutError("late"), 200, "Execution failed or timed out"),
            (
                Failed(kind=FailureKind.UNKNOWN_TOOL, detail="rm"),
                200,
                "Sandbox requested an unregistered tool: rm",
            ),
            (
                ExecutorsUnavailableError("away"),
                503,
                "Failed to persist replay continuation; please retry the same request",
            ),
        ],
    )
    async def test_what_fails_a_program_that_has_called_tools_begins_nothing_again(
        self, service: Service, outcome: Any, status: int, error: str
    ) -> None:
        def fail(_: RoundRequest) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        token = await held(service)
        service.rounds.outcome = fail
        told = await carry_on(service, token, given(1))

        assert (told[0], told[1]["error"]) == (status, error)
        assert len(service.dispatcher.requests) == len(service.rounds.requests) == 1

    async def test_a_broker_that_was_away_can_be_asked_again(self, service: Service) -> None:
        def away(_: RoundRequest) -> Any:
            raise ExecutorsUnavailableError("away")

        token = await held(service)
        service.rounds.outcome = away
        await carry_on(service, token, given(1))
        service.rounds.outcome = lambda _: DONE

        assert (await carry_on(service, token, given(1)))[1]["status"] == "completed"

    async def test_a_store_that_is_away_is_a_503(
        self, service: Service, valkey: Valkey
    ) -> None:
        token = await held(service)
        valkey.kill()
        try:
            status, body = await carry_on(service, token, given(1))
        finally:
            valkey.start()

        assert (status, body["error"]) == (
            503,
            "Failed to persist replay continuation; please retry the same request",
        )


class TestCancelling:
    ID = "9c5e3c12-8297-47e0-9c60-2c01c1f318e0"

    async def cancel(self, service: Service, **more: Any) -> tuple[int, Any]:
        path = "/exec/programmatic/cancel"
        return await ask(service, {"request_id": self.ID}, path=path, **more)

    async def begun(self, service: Service) -> "asyncio.Task[tuple[int, Any]]":
        service.dispatcher.outcome = lambda _: asyncio.Event()
        headers = {"x_librechat_code_request_id": self.ID}
        task = asyncio.create_task(ask(service, PROGRAM, **headers))
        await service.dispatcher.began.wait()
        return task

    async def test_a_request_that_runs_is_ended(self, service: Service) -> None:
        running = await self.begun(service)

        assert await self.cancel(service) == (202, {"status": "cancellation_requested"})
        status, body = await running
        assert service.dispatcher.cancelled.is_set()
        assert (status, body["status"]) == (200, "error")
        assert body["error"] == "Programmatic execution request cancelled"
        assert await self.cancel(service) == (200, {"status": "already_completed"})

    async def test_a_request_that_is_still_to_come_never_begins(self, service: Service) -> None:
        await self.cancel(service)
        headers = {"x_librechat_code_request_id": self.ID}
        _, body = await ask(service, PROGRAM, **headers)

        assert body["error"] == "Programmatic execution request cancelled"
        assert service.dispatcher.requests == []

    async def test_watching_for_it_ends_with_the_work_though_its_end_gets_lost(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As Python 3.11's `asyncio.wait_for` loses a cancellation, inside redis-py."""

        async def deaf_once(_request_id: str) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

        monkeypatch.setattr(service.executions, "until_cancelled", deaf_once)
        async with asyncio.timeout(5):
            status, _ = await ask(service, PROGRAM, x_librechat_code_request_id=self.ID)

        assert status == 200

    async def test_a_round_is_ended_with_its_program(self, service: Service) -> None:
        token = await held(service)
        begun = asyncio.Event()

        def outcome(_: RoundRequest) -> asyncio.Event:
            begun.set()
            return asyncio.Event()

        service.rounds.outcome = outcome
        headers = {"x_librechat_code_request_id": self.ID}
        running = asyncio.create_task(carry_on(service, token, given(1), **headers))
        await begun.wait()
        await self.cancel(service)
        _, body = await running

        assert body["error"] == "Programmatic execution request cancelled"
        run_ids = [service.rounds.requests[0].run_id, "held"]
        assert service.rounds.ended == run_ids

    async def test_a_program_that_waits_by_then_is_ended_too(
        self, service: Service, valkey: Valkey
    ) -> None:
        """Its token is not stored yet, so nobody could go on with it or end it later."""

        def outcome(_: RunRequest) -> Waiting:
            with closing(valkey.connect()) as store:
                store.hset(f"{REQUEST_PREFIX}{self.ID}", "state", "cancelled")
                store.execute_command("CLIENT", "PAUSE", 1000, "WRITE")
            return waiting()

        service.dispatcher.outcome = outcome
        headers = {"x_librechat_code_request_id": self.ID}
        _, body = await ask(service, PROGRAM, **headers)

        assert body["error"] == "Programmatic execution request cancelled"
        assert service.rounds.ended == ["held"]

    async def test_a_request_that_outlives_its_registration_leaves_nothing(
        self, service: Service, valkey: Valkey
    ) -> None:
        """The store was away when it began, perhaps, or has been emptied since."""
        running_id = f"{REQUEST_PREFIX}{self.ID}"

        def outcome(_: RunRequest) -> Finished:
            with closing(valkey.connect()) as store:
                assert store.delete(running_id) == 1
            return DONE

        service.dispatcher.outcome = outcome
        headers = {"x_librechat_code_request_id": self.ID}
        await ask(service, PROGRAM, **headers)

        with closing(valkey.connect()) as store:
            assert store.exists(running_id) == 0

    async def test_an_id_is_of_one_request_at_a_time(self, service: Service) -> None:
        running = await self.begun(service)
        headers = {"x_librechat_code_request_id": self.ID}
        status, body = await ask(service, PROGRAM, **headers)
        await self.cancel(service)
        await running

        assert (status, body["error"]) == (
            409,
            "Programmatic request ID is already in use",
        )

    async def test_nobody_cancels_for_another(self, service: Service) -> None:
        running = await self.begun(service)
        told = await self.cancel(service, key=OTHER_KEY)
        await self.cancel(service)
        await running

        assert told == (403, {"error": "Programmatic request belongs to another principal"})

    @pytest.mark.parametrize("request_id", [None, "", "short", 5, "x" * 129, "a/b" * 8])
    async def test_what_is_no_id_is_told(self, service: Service, request_id: Any) -> None:
        body = {"request_id": request_id}

        assert await ask(service, body, path="/exec/programmatic/cancel") == (
            400,
            {"error": "Invalid or missing request_id"},
        )

    async def test_a_store_that_is_away_is_told(self) -> None:
        service = make_service()
        told = await self.cancel(service)
        await service.executions.close()

        assert told == (503, {"error": "Cancellation service unavailable"})
