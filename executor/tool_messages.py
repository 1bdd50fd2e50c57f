"""What crosses the broker for programs that call tools, beside `executor.messages`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from telemetry.traces import TRACEPARENT

ROUND_TASK_NAME = "executor.continue_program"
ROUND_QUEUE_PREFIX = "code-command.rounds."

HELD_S = 600.0
"""How long a program waits for answers to its calls, then it is ended: librechat-contract 4.4.
What tells where it waits is kept as long."""


RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")]
"""As `telemetry.ids` makes them; empty where there is none."""

TraceParent = Annotated[str, Field(pattern=TRACEPARENT)]
"""The span that sent the message; empty where there are no traces."""


def round_queue(instance_id: str) -> str:
    """Return the queue of what is for one executor alone: programs that wait there."""
    return f"{ROUND_QUEUE_PREFIX}{instance_id}"


class ToolFunction(BaseModel):
    """A tool that a program can call."""

    model_config = ConfigDict(frozen=True)

    name: str
    parameters: tuple[str, ...] = ()
    """The properties of its schema."""
    required: tuple[str, ...] = ()


class PendingCall(BaseModel):
    """A call that a program waits for."""

    model_config = ConfigDict(frozen=True)

    number: int
    tool: str
    input: str
    """A JSON object, as text."""


class Waiting(BaseModel):
    """The program waits for tools that only the client can run. Its sandbox is held."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["waiting"] = "waiting"
    run_id: str
    """Of the run that waits: not the one that was asked for, if that was sent again."""
    executor: str
    """The instance that holds it: `round_queue` says where it is reached."""
    calls: tuple[PendingCall, ...]
    stdout: str
    stderr: str


class CallResult(BaseModel):
    """The answer to a call."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    number: int
    text: str
    """JSON, or the message of an error."""
    is_error: bool = False


class RoundRequest(BaseModel):
    """Answers for a program that waits; its executor runs it on."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    run_id: str
    """Of this round: chosen by the API, and the Celery task's id."""
    held_run_id: str
    """Of the run that waits."""
    results: tuple[CallResult, ...]
    """Those that are answered already are left out of account."""
    deadline: float
    """Unix time, seconds."""
    request_id: RequestId = ""
    trace: TraceParent = ""
