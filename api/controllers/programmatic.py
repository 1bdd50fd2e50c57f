"""`POST /exec/programmatic`: run a program that calls tools (librechat-contract 4)."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any, Protocol
from uuid import uuid4

import msgspec
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_202_ACCEPTED,
    HTTP_403_FORBIDDEN,
    HTTP_409_CONFLICT,
    HTTP_503_SERVICE_UNAVAILABLE,
)
from typing_extensions import override

from api import programmatic_answer as answers
from api.caller import Caller
from api.controllers.execution import Execution
from api.errors import Answer, ApiError, BadRequestError, RunFailedError
from api.held_bodies import HeldBody
from api.inputs import find_inputs
from api.json_object import NULL, is_text, read_json_object, read_text, size_bytes
from api.programmatic import Programmatic, failed, owner_of
from api.programmatic_answer import RoundAnswer
from api.programmatic_descriptions import (
    CANCEL_ERRORS,
    PROGRAMMATIC_ERRORS,
    CancelOperation,
    ProgrammaticOperation,
)
from api.programmatic_request import (
    ProgrammaticFields,
    ProgrammaticRequest,
    check_language,
    check_programmatic_request,
)
from api.programmatic_results import Continuation, check_continuation
from api.programmatic_store import ExecutionStore, StoreUnavailableError
from api.rate_limits import RATE_BUCKET, count_request
from api.retrying import end
from api.runs import run_while_connected
from api.server_timing import clock_of
from executor.messages import FailureKind, RunRequest
from storage.ids import new_id

REQUEST_ID_HEADER = "x-librechat-code-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")

JsonRequest = Request[Caller, Any, Any]


class CancelFields(msgspec.Struct):
    """The fields of a cancellation's body."""

    request_id: msgspec.Raw = NULL


class ProgrammaticController(Controller):
    """Programs that call tools come in here, and so do the tools' results."""

    tags = ("execution",)

    @post(
        "/exec/programmatic",
        status_code=HTTP_200_OK,
        operation_class=ProgrammaticOperation,
        responses=PROGRAMMATIC_ERRORS,
        summary="Run a program that calls tools, or go on with one",
    )
    async def execute(
        self,
        request: JsonRequest,
        execution: NamedDependency[Execution],
        programmatic: NamedDependency[Programmatic],
    ) -> Response[bytes]:
        """Run a program until it waits for tools, or to its end.

        A program that waits is gone on with by sending `continuation_token` and
        `tool_results`. It stays as it is meanwhile: nothing of it is run a second time.
        """
        request_id = _request_id(request)
        with execution.bodies.hold(request.user.tenant) as held:
            work = await _work(request, execution, programmatic, held)
            if request_id is None:
                return _response(await work.done())
            return _response(await _cancellable(request, programmatic.store, request_id, work))

    @post(
        "/exec/programmatic/cancel",
        status_code=HTTP_202_ACCEPTED,
        operation_class=CancelOperation,
        responses=CANCEL_ERRORS,
        summary="Cancel a request to run a program that calls tools",
        opt={RATE_BUCKET: "list"},
    )
    async def cancel(
        self,
        request: JsonRequest,
        execution: NamedDependency[Execution],
        programmatic: NamedDependency[Programmatic],
    ) -> Response[bytes]:
        """Cancel the request that carries `X-LibreChat-Code-Request-ID: <request_id>`.

        It may be still to come.
        """
        with execution.bodies.hold(request.user.tenant) as held:
            fields = await read_json_object(request, CancelFields, held)
        field = fields.request_id
        request_id = read_text(field, "request_id") if is_text(field) else None
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            raise BadRequestError("Invalid or missing request_id")
        try:
            told = await programmatic.store.cancel(request_id, owner_of(request.user))
        except StoreUnavailableError as fault:
            unavailable = "Cancellation service unavailable"
            raise ApiError(Answer(HTTP_503_SERVICE_UNAVAILABLE, unavailable)) from fault
        if told == "foreign":
            foreign = "Programmatic request belongs to another principal"
            raise ApiError(Answer(HTTP_403_FORBIDDEN, foreign))
        if told == "done":
            return _response(answers.answer(HTTP_200_OK, status="already_completed"))
        requested = answers.answer(HTTP_202_ACCEPTED, status="cancellation_requested")
        return _response(requested)


def _response(answer: RoundAnswer) -> Response[bytes]:
    return Response(answer.body, status_code=answer.status, media_type="application/json")


def _request_id(request: JsonRequest) -> str | None:
    given = request.headers.get(REQUEST_ID_HEADER)
    if given is not None and not _REQUEST_ID.fullmatch(given):
        raise BadRequestError("Invalid programmatic request ID")
    return given


async def _work(
    request: JsonRequest, execution: Execution, programmatic: Programmatic, held: HeldBody
) -> "_Work":
    """Read what a request asks for; of the body, no more is in memory afterwards.

    Raises:
        ApiError: As `read_json_object`, and what is wrong with it.
    """
    fields = await read_json_object(request, ProgrammaticFields, held)
    language = check_language(fields)
    if fields.continuation_token != NULL:
        # Its results are most of the body, and are held until the program has them.
        return _CarriedOn(request, programmatic, await _checked(request, fields))
    await count_request(request, "exec")
    wanted = check_programmatic_request(language, fields)
    held.keep(getsizeof(wanted.code) + size_bytes(fields.tools))
    return _Begun(request, execution, programmatic, wanted)


async def _checked(request: JsonRequest, fields: ProgrammaticFields) -> Continuation:
    try:
        return check_continuation(fields)
    except ApiError:
        await count_request(request, "exec")
        raise


class _Work(Protocol):
    """What a request asks for."""

    async def done(self) -> RoundAnswer:
        """Do it."""
        ...

    async def cancelled(self) -> RoundAnswer:
        """Undo what has been begun, after `done` was cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class _Begun(_Work):
    request: JsonRequest
    execution: Execution
    programmatic: Programmatic
    wanted: ProgrammaticRequest

    @override
    async def done(self) -> RoundAnswer:
        caller, clock, wanted = self.request.user, clock_of(self.request), self.wanted
        clock.language = wanted.language
        clock.end("admit")
        inputs = await find_inputs(self.execution.sessions, caller, wanted.files)
        clock.end("resolve")
        run = RunRequest(
            run_id=uuid4().hex,
            session_id=new_id(),
            tenant=caller.tenant,
            user=caller.user,
            user_is_proven=caller.user_is_proven,
            tenant_class=caller.tenant_class,
            language=wanted.language,
            code=wanted.code,
            inputs=inputs,
            tools=wanted.tools,
            time_limit_s=wanted.time_limit_s,
            memory_class=caller.memory_class,
            deadline=time.time() + self.execution.timeout_s,
        )
        try:
            begun = await run_while_connected(self.request, self.execution.dispatcher, run)
        except RunFailedError as fault:
            if fault.kind is not FailureKind.UNKNOWN_TOOL:
                raise
            return failed(run.session_id, fault.kind, fault.detail)
        return await self.programmatic.begun(caller, begun)

    @override
    async def cancelled(self) -> RoundAnswer:
        return answers.error(answers.CANCELLED, new_id())  # The dispatcher has ended the run.


@dataclass(frozen=True, slots=True)
class _CarriedOn(_Work):
    request: JsonRequest
    programmatic: Programmatic
    continuation: Continuation
    run_id: str = field(default_factory=lambda: uuid4().hex)

    @override
    async def done(self) -> RoundAnswer:
        """Go on. Only what is refused is counted: a program's rounds are no user's requests."""
        caller = self.request.user
        try:
            return await self.programmatic.carry_on(caller, self.continuation, self.run_id)
        except ApiError:
            await count_request(self.request, "exec")
            raise

    @override
    async def cancelled(self) -> RoundAnswer:
        caller, token = self.request.user, self.continuation.token
        return await self.programmatic.end(caller, token, self.run_id)


async def _cancellable(
    request: JsonRequest, store: ExecutionStore, request_id: str, work: _Work
) -> RoundAnswer:
    """Do `work` unless, and as long as, nobody cancels the request."""
    try:
        registered = await store.register(request_id, owner_of(request.user))
    except StoreUnavailableError:
        registered = "active"  # Then it cannot be cancelled either.
    if registered == "in use":
        text = "Programmatic request ID is already in use"
        raise ApiError(Answer(HTTP_409_CONFLICT, text))
    if registered == "cancelled":
        return answers.error(answers.CANCELLED, new_id())
    working = asyncio.create_task(work.done())
    watching = asyncio.create_task(store.until_cancelled(request_id))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        await _ended(working)
        return await work.cancelled()
    finally:
        await _ended(working)
        await end(watching)
        await store.ended(request_id)


async def _ended(working: "asyncio.Task[RoundAnswer]") -> None:
    """Cancel it once: it tells the executor then, which is not to be cancelled as well."""
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
