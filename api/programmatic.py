"""Goes on with programs that wait for their tools (librechat-contract 4.4)."""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

from litestar.status_codes import (
    HTTP_403_FORBIDDEN,
    HTTP_409_CONFLICT,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from api import programmatic_answer as answers
from api.audit import AuditLog
from api.caller import Caller
from api.dispatch import (
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    RunTimedOutError,
)
from api.errors import Answer, ApiError, BadRequestError
from api.programmatic_answer import RoundAnswer
from api.programmatic_results import (
    MAX_HISTORY_BYTES,
    NOT_ISSUED,
    Continuation,
    GivenResult,
)
from api.programmatic_rounds import Rounds
from api.programmatic_store import Execution, ExecutionStore, StoreUnavailableError
from api.runs import Outcome
from executor.messages import FailureKind, Finished, RunReport
from executor.tool_messages import RoundRequest, Waiting

logger = logging.getLogger(__name__)

LOCK_GRACE_S = 10.0
"""What a round may take beyond its deadline before another one may be tried."""

_FAILURES = {
    FailureKind.CANCELLED: answers.CANCELLED,
    FailureKind.DEADLINE_EXCEEDED: answers.TIMED_OUT,
}


def owner_of(caller: Caller) -> str:
    """Return a digest of all that is known of a caller: who may go on with a program."""
    text = "\0".join(
        (caller.tenant, caller.user, str(caller.user_is_proven), caller.auth_context)
    )
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Programmatic:
    """What programs that call tools need beside what all need."""

    store: ExecutionStore
    rounds: Rounds
    timeout_s: float
    """Longest time between a request and its answer."""
    audit: AuditLog | None = None

    async def begun(self, caller: Caller, outcome: Outcome) -> RoundAnswer:
        """Tell how the first round went, and remember a program that waits."""
        session_id, result = outcome
        if isinstance(result, Finished):
            return answers.ended(session_id, result)
        token = secrets.token_urlsafe(32)
        answer = answers.pending(token, session_id, result)
        execution = Execution(
            owner=owner_of(caller),
            run_id=result.run_id,
            session_id=session_id,
            executor=result.executor,
            pending=[call.number for call in result.calls],
            recorded={},
            recorded_bytes=0,
            status=answer.status,
            answer=answer.body.decode(),
            held_at=time.time(),
        )
        try:
            await self.store.save(token, execution)
        except asyncio.CancelledError:
            await self.rounds.end(result.run_id)  # Nobody hears of the token.
            raise
        except StoreUnavailableError as fault:
            logger.warning("run %s cannot be gone on with: %s", result.run_id, fault)
            await self.rounds.end(result.run_id)
            text = "Failed to persist replay state; please retry the request from scratch"
            status = HTTP_503_SERVICE_UNAVAILABLE
            return answers.answer(status, status="error", error=text, session_id=session_id)
        return answer

    async def carry_on(
        self, caller: Caller, continuation: Continuation, run_id: str
    ) -> RoundAnswer:
        """Go on with a program, in a round called `run_id`.

        Raises:
            ApiError: The answers are not what it waits for, or somebody else's business.
        """
        token = continuation.token
        try:
            await self._loaded(caller, token)
            most_s = self.timeout_s + LOCK_GRACE_S
            async with self.store.locked(token, most_s=most_s) as is_ours:
                if not is_ours:
                    raise _conflict(
                        "Another continuation is already in flight for this execution; retry"
                        " shortly"
                    )
                execution = await self._loaded(caller, token)
                new = _new_results(execution, continuation)
                if not new:
                    return RoundAnswer(execution.status, execution.answer.encode())
                return await self._round(caller, token, execution, new, run_id)
        except StoreUnavailableError as fault:
            logger.warning("round %s: %s", run_id, fault)
            return _persist_failed("")

    async def _loaded(self, caller: Caller, token: str) -> Execution:
        execution = await self.store.load(token)
        if execution is None:
            raise ApiError(Answer(404, answers.NOT_FOUND))
        if not secrets.compare_digest(execution.owner, owner_of(caller)):
            raise ApiError(Answer(HTTP_403_FORBIDDEN, "Forbidden"))
        return execution

    async def _round(
        self,
        caller: Caller,
        token: str,
        execution: Execution,
        new: list[GivenResult],
        run_id: str,
    ) -> RoundAnswer:
        request = RoundRequest(
            run_id=run_id,
            held_run_id=execution.run_id,
            results=tuple(each.result for each in new),
            deadline=time.time() + self.timeout_s,
        )
        working = self.rounds.carry_on(
            request, executor=execution.executor, held_at=execution.held_at
        )
        if self.audit is not None:
            working = self.audit.watched_round(caller, execution.session_id, request, working)
        try:
            report = await working
        except ExecutorsUnavailableError:
            return _persist_failed(execution.session_id)
        except ExecutorLostError:
            answer, report = answers.not_found(), None
        except RunTimedOutError:
            answer, report = answers.error(answers.TIMED_OUT, execution.session_id), None
        except DispatchError:
            answer, report = answers.error(answers.FAILED, execution.session_id), None
        else:
            answer = _told(token, execution.session_id, report)
        _note(execution, new, answer, report)
        await self.store.save(token, execution)
        return answer

    async def end(self, caller: Caller, token: str, run_id: str) -> RoundAnswer:
        """End a program whose round `run_id` was cancelled, wherever it was then.

        Raises:
            ApiError: It is somebody else's, or nobody knows it.
        """
        try:
            execution = await self._loaded(caller, token)
            answer = answers.error(answers.CANCELLED, execution.session_id)
            _note(execution, [], answer, None)
            await self.store.save(token, execution)
        except StoreUnavailableError:
            return _persist_failed("")
        await self.rounds.end(run_id)
        await self.rounds.end(execution.run_id)
        return answer


def _told(token: str, session_id: str, report: RunReport) -> RoundAnswer:
    result = report.result
    if isinstance(result, Waiting):
        return answers.pending(token, session_id, result)
    if isinstance(result, Finished):
        return answers.ended(session_id, result)
    return failed(session_id, result.kind, result.detail)


def failed(session_id: str, kind: FailureKind, detail: str) -> RoundAnswer:
    """Tell that the service failed a program that has called tools: it is not begun again."""
    if kind is FailureKind.NOT_HELD:
        return answers.not_found()
    if kind is FailureKind.UNKNOWN_TOOL:
        text = f"Sandbox requested an unregistered tool: {detail}"
        return answers.error(text, session_id)
    return answers.error(_FAILURES.get(kind, answers.FAILED), session_id)


def _note(
    execution: Execution, new: list[GivenResult], answer: RoundAnswer, report: RunReport | None
) -> None:
    result = None if report is None else report.result
    execution.recorded.update({each.result.number: each.digest for each in new})
    execution.recorded_bytes += sum(each.size_bytes for each in new)
    execution.status, execution.answer = answer.status, answer.body.decode()
    execution.held_at = time.time()
    execution.is_over = not isinstance(result, Waiting)
    execution.pending = (
        [call.number for call in result.calls] if isinstance(result, Waiting) else []
    )


def _new_results(execution: Execution, continuation: Continuation) -> list[GivenResult]:
    """Return those answers that the program has not had yet.

    Raises:
        ApiError: One is for no call of its, or differs from one that it has had.
    """
    known = {*execution.pending, *execution.recorded}
    for each in continuation.results:
        if each.result.number not in known:
            raise BadRequestError(NOT_ISSUED.format(each.call_id))
    new = [each for each in continuation.results if each.result.number in execution.pending]
    size = execution.recorded_bytes + sum(each.size_bytes for each in new)
    if size > MAX_HISTORY_BYTES:
        raise BadRequestError(
            f"Aggregate tool_history for this execution would be {size} bytes, exceeds cap"
            f" {MAX_HISTORY_BYTES}"
        )
    for each in continuation.results:
        recorded = execution.recorded.get(each.result.number)
        if recorded is not None and recorded != each.digest:
            raise _conflict(
                f"tool_results[{each.call_id}] has already been recorded with a different"
                " payload; replay history is immutable"
            )
    return new


def _conflict(text: str) -> ApiError:
    return ApiError(Answer(HTTP_409_CONFLICT, text))


def _persist_failed(session_id: str) -> RoundAnswer:
    text = "Failed to persist replay continuation; please retry the same request"
    status = HTTP_503_SERVICE_UNAVAILABLE
    return answers.answer(status, status="error", error=text, session_id=session_id)
