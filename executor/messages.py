"""What crosses the broker: one message in, one report out. JSON, and nothing else."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from executor.tool_messages import RequestId, ToolFunction, TraceParent, Waiting
from sandbox.supervisor.languages import LANGUAGES
from storage.records import ID_PATTERN, FileEntry

TASK_NAME = "executor.run_code"
"""On the wire: moving the module must not rename the task."""

QUEUE_NAME = "code-command.runs"
COMPILED_QUEUE_NAME = f"{QUEUE_NAME}.compiled"
"""Of languages whose compilers take long and much memory: executors take from both in turns."""
SHARED_QUEUES = (QUEUE_NAME, COMPILED_QUEUE_NAME)
SPARE_QUEUE_NAME = f"{QUEUE_NAME}.spare"
"""Of tenants who have nothing else under way: executors keep slots for them."""
RUN_QUEUES = (*SHARED_QUEUES, SPARE_QUEUE_NAME)

MAX_CODE_BYTES = 4 * 1024 * 1024
"""Longest program, in bytes of UTF-8. LibreChat's write-file tool sends file contents as
code, so a few MB are wanted; more belongs into an upload. The message travels through the
broker, which holds it in memory."""

MAX_ARGS = 256
MAX_ARG_CHARS = 32_768


def is_compiled(language: str) -> bool:
    """Whether programs of a language, by its canonical name, are of those that take long."""
    known = LANGUAGES.get(language)
    return known is not None and known.compiles_large


class MemoryClass(StrEnum):
    """How much memory a run gets; the executor's settings say what each one means."""

    STANDARD = "standard"
    LARGE = "large"


class RunRequest(BaseModel):
    """One program to run."""

    # Whoever logs a validation error must not log the program.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    run_id: str
    """Chosen by the API; also the Celery task's id."""
    first_run_id: str = ""
    """Of the attempt before this one, if this is the second."""
    session_id: str = Field(pattern=ID_PATTERN)
    """Fresh; everything that the program leaves behind is stored under it."""
    tenant: str
    user: str
    user_is_proven: bool = False
    """Whether a token says so: what a key says is another user, whatever the name."""
    language: str
    """A canonical language name: `py` or `bash`, never an alias."""
    code: str
    args: tuple[str, ...] = ()
    inputs: tuple[FileEntry, ...] = ()
    """Resolved by the API: existing, unexpired, of this tenant, with distinct names."""
    tools: tuple[ToolFunction, ...] | None = None
    """What the program can call; `None`: it is a plain program."""
    time_limit_s: float | None = None
    """Shorter than the executor's own, if the client wants that."""
    state: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Which saved workspace the program finds and leaves (`storage.states.state_name`); `None`:
    none at all."""
    memory_class: MemoryClass | None = None
    """As the caller's key or plan has it; `None` leaves it to the executor's rules."""
    deadline: float
    """Unix time, seconds; on its way, by the broker's clock. Nobody waits for a report after
    it, so a message found later is dropped."""
    is_spare: bool = False
    """Whether it is for a slot that is kept for tenants who have nothing else under way
    (`api.turns`)."""
    tenant_class: str = "key"
    """How the tenant was let in: for figures, which name no tenant (`api.caller`)."""
    request_id: RequestId = ""
    """Of the HTTP request, for logs."""
    trace: TraceParent = ""

    @property
    def queue(self) -> str:
        """Where it waits for an executor."""
        if self.is_spare:
            return SPARE_QUEUE_NAME
        return COMPILED_QUEUE_NAME if is_compiled(self.language) else QUEUE_NAME


class Stopped(StrEnum):
    """Why the sandbox ended a program; the values are the contract's `status` (2.2)."""

    TIME = "TO"
    STDOUT = "OL"
    MEMORY = "SG"
    CALLS = "TC"
    """Too many calls of tools. These two are ours: the contract has no run with a status that
    calls tools."""
    CALL_BYTES = "TB"
    """The inputs of its calls are too large together."""


class SkippedFile(BaseModel):
    """A file that the program left behind and that was not kept."""

    model_config = ConfigDict(frozen=True)

    name: str
    reason: str
    """A value of `sandbox.supervisor.skips.SkipReason`."""


class Delivery(BaseModel):
    """How many of the files to be stored were: told where some were not."""

    model_config = ConfigDict(frozen=True)

    attempted: int
    delivered: int

    @property
    def failed(self) -> int:
        """How many are lost."""
        return self.attempted - self.delivered


class Finished(BaseModel):
    """The program ended, by itself or by its limits. A failing program is a result."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["finished"] = "finished"
    exit_code: int | None
    """`None` when a signal ended it."""
    signal: str | None = None
    """Such as `SIGKILL`."""
    stopped: Stopped | None = None
    message: str | None = None
    """The sandbox's remark, such as `Time limit exceeded`."""
    stdout: str
    stderr: str
    """Ends with a `[sandbox] <message>` line where there is a remark."""
    wall_time_ms: int
    files: tuple[FileEntry, ...] = ()
    """New and changed files first, then inherited inputs; at most 50."""
    deleted_files: tuple[str, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    """At most 20 of them, by name; those that somebody would miss come first."""
    skipped_count: int = 0
    skip_reasons: tuple[str, ...] = ()
    """Why, of all of them: values of `sandbox.supervisor.skips.SkipReason`."""
    delivery: Delivery | None = None
    """Set where object storage refused some of the files. They are not among `files`."""
    state_reused: bool | None = None
    """Whether the program found the workspace of an earlier run; `None`: it keeps none."""


class FailureKind(StrEnum):
    """Why there is no result. The API's error table says what each means to a client."""

    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    """None could be had, or it broke before the program began. Safe to retry."""
    SANDBOX_LOST = "sandbox_lost"
    """It broke while the program ran. Safe to retry: nothing was stored."""
    INPUT_UNAVAILABLE = "input_unavailable"
    """An input's bytes are gone. A retry fails the same way."""
    INPUT_TOO_LARGE = "input_too_large"
    """The inputs do not fit into the workspace. A retry fails the same way."""
    STORAGE_UNAVAILABLE = "storage_unavailable"
    """Object storage failed while inputs were read or outputs stored. Safe to retry."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """Its turn came too late, or its outputs took too long."""
    STATE_BUSY = "state_busy"
    """Another run has the workspace. Safe to retry once it has ended."""
    STATE_FENCED = "state_fenced"
    """Another run has taken the workspace meanwhile, which was not saved. Safe to retry."""
    STATE_UNLOCKABLE = "state_unlockable"
    """Nobody can say whether another run has the workspace. Safe to retry."""
    CANCELLED = "cancelled"
    """The client left."""
    HANDED_BACK = "handed_back"
    """Its executor ends and could not wait for it. Safe to retry: nothing was stored."""
    NOT_HELD = "not_held"
    """The program that was to go on does not wait here any more."""
    UNKNOWN_TOOL = "unknown_tool"
    """The program called what is none of its tools."""


class Failed(BaseModel):
    """The service failed, not the program."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["failed"] = "failed"
    kind: FailureKind
    detail: str = ""
    """The name of the unknown tool; the executor that has handed it back."""


LONGEST_STEP_MS = 86_400_000.0
"""A day: no step of a run comes near it, so a larger figure is no measurement."""

Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_STEP_MS, allow_inf_nan=False)]


class StepTimes(BaseModel):
    """What the steps of a run took, in their order. None overlaps another, but for `program`.

    A step that was left out, or is not known, has 0: an older executor tells none, and what
    a newer one tells beyond these is not read.
    """

    model_config = ConfigDict(frozen=True)

    turn: Milliseconds = 0.0
    """It waits in the API for its turn among tenants and users. `turn`, `send`, `queue` and
    `reply` are the API's to fill in."""
    send: Milliseconds = 0.0
    """The API hands it to the broker."""
    queue: Milliseconds = 0.0
    """It waits for an executor with a free slot, and is taken up there."""
    open: Milliseconds = 0.0
    """Downloads of the inputs are begun, while a sandbox is being claimed."""
    claim: Milliseconds = 0.0
    """What is still to be waited for the sandbox then."""
    prepare: Milliseconds = 0.0
    """The program goes into the sandbox."""
    inputs: Milliseconds = 0.0
    """The inputs do, and the sandbox has the memory that it is to have."""
    run: Milliseconds = 0.0
    """From the word to begin until the executor knows the end."""
    program: Milliseconds = 0.0
    """Of that, what the program itself took, as the sandbox says."""
    outputs: Milliseconds = 0.0
    """Files are read out of the sandbox and stored."""
    record: Milliseconds = 0.0
    """The session's record is stored."""
    reply: Milliseconds = 0.0
    """The report goes back to the API."""

    @property
    def in_executor_ms(self) -> float:
        """All that the executor measured: the whole run from its side."""
        steps = (self.open, self.claim, self.prepare, self.inputs, self.run)
        return sum(steps) + self.outputs + self.record


class RunReport(BaseModel):
    """How one run went."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    result: Finished | Waiting | Failed = Field(discriminator="outcome")
    session_id: str | None = None
    """Where its files are, if not where they were to be: the API's to fill in, which sends what
    has lost its executor again with another session."""
    begun_at: float | None = None
    """When the executor took it up: Unix time by its own clock, which may go wrong by any
    amount beside the API's."""
    steps: StepTimes = StepTimes()


CANCEL_COMMAND = "cancel_runs"
"""Name of the Celery remote-control command that ends runs, with argument `run_ids`, a list."""
