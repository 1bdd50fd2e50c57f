"""What `POST /exec/programmatic` answers (librechat-contract 4.3)."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_400_BAD_REQUEST,
    HTTP_404_NOT_FOUND,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
)

from api.exec_answer import ExecAnswer
from api.programmatic_request import MAX_STATE_BYTES
from api.programmatic_results import call_id
from executor.messages import Finished, Stopped
from executor.tool_messages import Waiting
from sandbox.supervisor.programmatic.channel import MAX_CALLS

TOO_MANY_CALLS = f"Execution exceeded maximum tool calls ({MAX_CALLS})"
NOT_FOUND = "Execution not found or expired"
CANCELLED = "Programmatic execution request cancelled"
TIMED_OUT = "Execution failed or timed out"
FAILED = "Sandbox execution failed"

_FILE_FIELDS = ("files", "deleted_files", "artifact_truncation", "artifact_delivery")


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """A status and a JSON body."""

    status: int
    body: bytes


def answer(status: int, /, **fields: Any) -> RoundAnswer:
    """Write an answer."""
    return RoundAnswer(status, msgspec.json.encode(fields))


def error(
    text: str, session_id: str, *, status: int = HTTP_200_OK, stdout: str = "", stderr: str = ""
) -> RoundAnswer:
    """Say that the execution has ended without a result."""
    return answer(
        status, status="error", error=text, stdout=stdout, stderr=stderr, session_id=session_id
    )


def not_found() -> RoundAnswer:
    """Say that there is no program to go on with."""
    return answer(HTTP_404_NOT_FOUND, error=NOT_FOUND)


def pending(token: str, session_id: str, waiting: Waiting) -> RoundAnswer:
    """Ask for what the program waits for."""
    calls = [
        # As text: it is checked, and need not be built.
        {
            "id": call_id(call.number),
            "name": call.tool,
            "input": msgspec.Raw(call.input.encode()),
        }
        for call in waiting.calls
    ]
    partial = {"partial_stdout": waiting.stdout, "partial_stderr": waiting.stderr}
    return answer(
        HTTP_200_OK,
        status="tool_call_required",
        continuation_token=token,
        session_id=session_id,
        tool_calls=calls,
        **{name: text for name, text in partial.items() if text},
    )


def ended(session_id: str, result: Finished) -> RoundAnswer:
    """Tell how the program ended."""
    if result.stopped is Stopped.CALLS:
        return answer(HTTP_400_BAD_REQUEST, error=TOO_MANY_CALLS)
    if result.stopped is Stopped.CALL_BYTES:
        text = (
            f"Replay state grew too large (over {MAX_STATE_BYTES} bytes, max"
            f" {MAX_STATE_BYTES}). Pass less to tools."
        )
        return error(text, session_id, status=HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    told = ExecAnswer.of(session_id, result).model_dump(exclude_unset=True)
    files = {name: told[name] for name in _FILE_FIELDS if name in told}
    fields = {"stdout": result.stdout, "stderr": result.stderr, **files}
    if result.stopped is None and result.signal is None and not result.exit_code:
        return answer(HTTP_200_OK, status="completed", **fields, session_id=session_id)
    text = result.message if result.stopped is not None else None
    code = "unknown" if result.exit_code is None else result.exit_code
    return answer(
        HTTP_200_OK,
        status="error",
        error=text or f"Sandbox exited with code {code}",
        **fields,
        session_id=session_id,
    )
