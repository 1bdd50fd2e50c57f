"""`POST /exec`: run a program (librechat-contract 2.2)."""

import time
from typing import Any
from uuid import uuid4

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from api.caller import Caller
from api.descriptions import EXEC_ERRORS, ExecOperation
from api.dispatch import Dispatcher
from api.exec_answer import ExecAnswer
from api.exec_request import ExecFields, check_exec_request
from api.inputs import find_inputs
from api.json_object import read_json_object
from api.rate_limits import RATE_BUCKET
from api.runs import run_while_connected
from api.settings import ApiSettings
from executor.messages import RunRequest
from storage.ids import new_id
from storage.sessions import Sessions


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
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
        dispatcher: NamedDependency[Dispatcher],
        settings: NamedDependency[ApiSettings],
    ) -> ExecAnswer:
        """Run a program, with stored files as inputs; answer when it has ended.

        A program that fails is a successful answer: see `code`, `signal` and `status`.
        """
        wanted = check_exec_request(await read_json_object(request, ExecFields))
        run = RunRequest(
            run_id=uuid4().hex,
            session_id=new_id(),
            tenant=caller.tenant,
            user=caller.user,
            language=wanted.language,
            code=wanted.code,
            args=wanted.args,
            inputs=await find_inputs(sessions, caller, wanted.files),
            memory_class=caller.memory_class,
            deadline=time.time() + settings.run_timeout_s,
        )
        result = await run_while_connected(request, dispatcher, run)
        return ExecAnswer.of(run.session_id, result)
