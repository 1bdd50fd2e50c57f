"""`POST /exec`: run a program (librechat-contract 2.2)."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from api.caller import Caller
from api.descriptions import EXEC_ERRORS, ExecOperation
from api.dispatch import Dispatcher, DispatchError
from api.exec_answer import ExecAnswer
from api.exec_request import ExecFields, check_exec_request
from api.inputs import find_inputs
from api.json_object import read_json_object
from api.rate_limits import RATE_BUCKET
from api.runs import run_while_connected
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
        caller, clock = request.user, clock_of(request)
        wanted = check_exec_request(await read_json_object(request, ExecFields))
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
            memory_class=caller.memory_class,
            deadline=time.time() + execution.timeout_s,
        )
        session_id, result = await run_while_connected(request, execution.dispatcher, run)
        if isinstance(result, Waiting):
            raise DispatchError("a program without tools waits for one")
        return ExecAnswer.of(session_id, result)
