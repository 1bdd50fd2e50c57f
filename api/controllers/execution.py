"""`POST /exec`: run a program (librechat-contract 2.2)."""

import time
from dataclasses import dataclass
from sys import getsizeof
from typing import Any
from uuid import uuid4

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from api.caller import Caller
from api.descriptions import EXEC_ERRORS, ExecOperation
from api.dispatch import Dispatcher, DispatchError
from api.exec_answer import ExecAnswer
from api.exec_request import ExecFields, ExecRequest, check_exec_request
from api.held_bodies import HeldBodies, HeldBody
from api.inputs import find_inputs
from api.json_object import read_json_object
from api.profile import Profiles
from api.rate_limits import RATE_BUCKET
from api.runs import run_while_connected
from api.runtime_session import RuntimeSession, find_runtime_session
from api.server_timing import clock_of
from executor.messages import RunRequest
from executor.tool_messages import Waiting
from storage.ids import new_id
from storage.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What running programs needs.

    One thing, because Litestar starts a group of tasks for several dependencies, which costs
    more than a tenth of what the API does for a run.
    """

    sessions: Sessions
    dispatcher: Dispatcher
    timeout_s: float
    """Longest time between a request and its answer."""
    profiles: Profiles
    bodies: HeldBodies
    needs_hint: bool
    """Whether a stateful run must name its workspace."""

    async def read(
        self, request: Request[Caller, Any, Any], held: HeldBody
    ) -> tuple[ExecRequest, RuntimeSession | None]:
        """Return what a client wants run; of the body, no more is in memory afterwards.

        Raises:
            ApiError: As `read_json_object`, `check_exec_request` and `runtime_session`.
        """
        fields = await read_json_object(request, ExecFields, held)
        wanted = check_exec_request(fields)
        runtime = self.runtime_session(request, fields)
        held.keep(sum(map(getsizeof, (wanted.code, *wanted.args))))
        return wanted, runtime

    def runtime_session(
        self, request: Request[Caller, Any, Any], fields: ExecFields
    ) -> RuntimeSession | None:
        """Return the workspace that a run is to find and to leave, if any.

        Raises:
            BadRequestError: It is not named as it must be.
        """
        if not self.profiles.keeps_state(request):
            return None
        hint, entity = fields.runtime_session_hint, fields.entity_id
        is_required = self.needs_hint and self.profiles.expects_state(request)
        found = find_runtime_session(request.user, hint, entity, is_required=is_required)
        if found is not None:
            self.profiles.note_state(request)
        return found


class ExecutionController(Controller):
    """Programs come in here and are run elsewhere."""

    tags = ("execution",)

    @post(
        "/exec",
        status_code=HTTP_200_OK,
        operation_class=ExecOperation,
        responses=EXEC_ERRORS,
        summary="Run a program in a fresh sandbox",
        opt={RATE_BUCKET: "exec"},
    )
    async def execute(
        self,
        request: Request[Caller, Any, Any],
        execution: NamedDependency[Execution],
    ) -> ExecAnswer:
        """Run a program, with stored files as inputs; answer when it has ended.

        A program that fails is a successful answer: see `code`, `signal` and `status`.
        """
        with execution.bodies.hold(request.user.tenant) as held:
            wanted, runtime = await execution.read(request, held)
            return await self._answered(request, execution, wanted, runtime)

    @staticmethod
    async def _answered(
        request: Request[Caller, Any, Any],
        execution: Execution,
        wanted: ExecRequest,
        runtime: RuntimeSession | None,
    ) -> ExecAnswer:
        caller, clock = request.user, clock_of(request)
        clock.language = wanted.language
        clock.end("admit")
        inputs = await find_inputs(execution.sessions, caller, wanted.files)
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
            args=wanted.args,
            inputs=inputs,
            state=None if runtime is None else runtime.state,
            memory_class=caller.memory_class,
            deadline=time.time() + execution.timeout_s,
        )
        session_id, result = await run_while_connected(request, execution.dispatcher, run)
        if isinstance(result, Waiting):
            raise DispatchError("a program without tools waits for one")
        return ExecAnswer.of(
            session_id,
            result,
            runtime_session_id=None if runtime is None else runtime.id,
        )
