"""The supervisor's life: say hello, preload if it is told to, take one job, report, end.

A sandbox is one execution, so there is no loop: after the summary PID 1 ends, and with it
the container. It also ends when its input closes, which is how a sandbox whose executor
was killed disappears.
"""

import contextlib
import os
import signal
from collections.abc import Generator
from functools import partial

from . import child
from .frames import (
    PROTOCOL_VERSION,
    Frame,
    FrameError,
    Kind,
    decode_json,
    encode,
    encode_json,
)
from .imports import wants_libraries
from .incoming import HostGoneError, Incoming
from .job import Job, parse_job
from .languages import LANGUAGES
from .lean_typing import TYPE_CHECKING, NamedTuple, NoReturn
from .preload import LIBRARIES, SMALL_MODULES, preload_until_needed
from .program import Program
from .skips import SkipReason
from .standby import Standby
from .workspace import Collection, InputFile, Workspace

if TYPE_CHECKING:
    from .kept_state import StateOfRun
    from .programmatic.calls import ToolCalls

STDIN = 0
STDOUT = 1


class _Delivery(NamedTuple):
    """Everything that came before RUN."""

    job: Job
    source: bytes
    refusal: str | None
    state: "StateOfRun | None"


def main() -> NoReturn:
    """Serve one job; see the module."""
    child.set_dumpable(dumpable=False)
    # The kernel keeps from PID 1 whatever it has no handler for, SIGKILL included; Python
    # has one for SIGINT, and the program may send it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    workspace = Workspace()
    try:
        send(Kind.HELLO, {"protocol": PROTOCOL_VERSION})
        incoming = Incoming(STDIN)
        small, full, first = _stand_by(incoming)
        delivery = _receive(first, incoming, workspace)
        if delivery.refusal is None:
            _serve(delivery, workspace, incoming, small, full)
        else:
            send(Kind.REFUSED, {"reason": delivery.refusal})
    except (HostGoneError, BrokenPipeError):
        os._exit(3)
    except ChildProcessError:
        os._exit(5)
    except FrameError as fault:
        os.write(2, f"protocol: {fault}\n".encode())
        os._exit(4)
    os._exit(0)


def _stand_by(incoming: Incoming) -> tuple[Standby, Standby | None, Frame]:
    """Preload until a job comes; return the processes that wait, and the job's first frame."""
    preload_until_needed(SMALL_MODULES, incoming.waiting)
    first = incoming.next() if incoming.waiting() else None
    if first is not None and first.kind is Kind.PRELOAD:
        # It came early. Our own modules are not to be left out for that.
        preload_until_needed(SMALL_MODULES, incoming.waiting)
    small, full = Standby(), None
    if first is None:
        first = incoming.next()
    if first.kind is Kind.PRELOAD:
        full = Standby(LIBRARIES)
        if not incoming.waiting():
            modules = full.loaded(unless=STDIN)
            if modules is not None:
                send(Kind.PRELOADED, {"modules": modules})
        first = incoming.next()
    return small, full, first


def _serve(
    delivery: _Delivery,
    workspace: Workspace,
    incoming: Incoming,
    small: Standby,
    full: Standby | None,
) -> None:
    language = LANGUAGES[delivery.job.language]
    try:
        path = workspace.write_entry(language.entry_file, delivery.source)
        calls = _listen(delivery.job)
    except OSError as fault:
        send(Kind.REFUSED, {"reason": fault.strerror or "the program cannot be written"})
        return
    standby, other = small, full
    if full is not None and language.command is None and wants_libraries(delivery.source):
        standby, other = full, small
    bystander = None if other is None else other.pid
    if calls is None:
        make = Program
    else:
        from .programmatic.program import ToolProgram  # noqa: PLC0415 - few programs need it

        make = partial(ToolProgram, calls=calls)
    program = make(delivery.job, path, send_bytes, standby=standby, bystander=bystander)
    ended = program.wait(host=incoming)
    send(Kind.ENDED, ended._asdict())
    if delivery.state is not None:
        delivery.state.survey()
    _report(workspace, workspace.collect(delivery.job.limits))
    if delivery.state is not None:
        _save(delivery.state)


def _listen(job: Job) -> "ToolCalls | None":
    """Make the line for calls, if it is a program that may call tools. No other has one."""
    if job.tools is None:
        return None
    from .programmatic.calls import ToolCalls  # noqa: PLC0415 - few programs need it

    return ToolCalls(_write)


def _report(workspace: Workspace, collection: Collection) -> None:
    for output in collection.outputs:
        pieces = workspace.read(output)
        try:
            first = next(pieces, b"")
        except OSError:
            collection.skips.add(output.name, SkipReason.UNREADABLE)
            continue
        send(Kind.OUTPUT, {"name": output.name, "size": output.size_bytes})
        if first:
            send_bytes(Kind.DATA, first)
        for piece in pieces:
            send_bytes(Kind.DATA, piece)
    send(
        Kind.SUMMARY,
        {
            "unchanged": collection.unchanged,
            "deleted": collection.deleted,
            "skipped": collection.skipped,
            "skipped_count": collection.skipped_count,
            "skip_counts": collection.skips.counts,
        },
    )


def _save(state: "StateOfRun") -> None:
    taken = state.compare()
    send(
        Kind.SNAPSHOT,
        {
            "outcome": taken.outcome,
            "size": taken.size_bytes,
            "restored": state.restored,
            "discarded": state.discarded,
        },
    )
    if taken.outcome == "changed":
        for piece in state.pieces(taken):
            send_bytes(Kind.DATA, piece)


def _receive(first: Frame, incoming: Incoming, workspace: Workspace) -> _Delivery:
    """Take the job, its source and its inputs, up to RUN."""
    if first.kind is not Kind.JOB:
        raise FrameError(f"{first.kind.name} where JOB belongs")
    job = parse_job(first)
    source, tools = bytearray(), bytearray()
    state = _state(job, workspace)
    inputs = _Inputs(workspace, state)
    for frame in incoming:
        match frame.kind:
            case Kind.SOURCE:
                source += frame.payload
            case Kind.TOOLS:
                tools += frame.payload
            case Kind.STATE:
                inputs.begin_state()
            case Kind.FILE:
                inputs.begin(decode_json(frame))
            case Kind.DATA:
                inputs.write(frame.payload)
            case Kind.RUN:
                inputs.finish()
                job = job._replace(tools=bytes(tools) or None)
                return _Delivery(job, bytes(source), inputs.refusal, state)
            case _:
                raise FrameError(f"{frame.kind.name} is out of order")
    raise HostGoneError  # Not reached: they end in no other way.


def _state(job: Job, workspace: Workspace) -> "StateOfRun | None":
    if job.state is None:
        return None
    from .kept_state import StateOfRun  # noqa: PLC0415 - few runs keep their workspace

    return StateOfRun(job.state, workspace)


class _Inputs:
    """Writes a saved workspace and then inputs, as they come.

    Those that do not fit are read on to the end and refused only then: an executor that is
    still sending would otherwise wait for ever.
    """

    def __init__(self, workspace: Workspace, state: "StateOfRun | None") -> None:
        self._workspace = workspace
        self._state = state
        self._restores = False
        self._file: InputFile | None = None
        self.refusal: str | None = None

    def begin_state(self) -> None:
        """Take what follows for a saved workspace."""
        if self._state is None or self._file is not None:
            raise FrameError("STATE is out of order")
        self._state.begin()
        self._restores = True

    def begin(self, fields: dict[str, object]) -> None:
        self.finish()
        # An executor that is older than the image does not say whether it is read-only.
        read_only = fields.get("read_only") is True
        with self._refusing():
            self._file = self._workspace.begin_input(str(fields["name"]), read_only=read_only)

    def write(self, data: bytes) -> None:
        if self.refusal is not None:
            return
        with self._refusing():
            if self._restores and self._state is not None:
                self._state.write(data)
            elif self._file is not None:
                self._file.write(data)

    def finish(self) -> None:
        if self._restores and self._state is not None:
            self._restores = False
            if self.refusal is None:
                with self._refusing():
                    self._state.finish_restoring()
        if self._file is not None:
            with self._refusing():
                self._file.finish()
            self._file = None

    @contextlib.contextmanager
    def _refusing(self) -> Generator[None]:
        try:
            yield
        except OSError as fault:
            self.refusal = self.refusal or fault.strerror or "an input cannot be written"


def send(kind: Kind, fields: dict[str, object]) -> None:
    """Send a control frame. Raises `BrokenPipeError` when the executor is gone."""
    _write(encode_json(kind, fields))


def send_bytes(kind: Kind, data: bytes) -> None:
    """Send a frame of raw bytes. Raises `BrokenPipeError` when the executor is gone."""
    _write(encode(kind, data))


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(STDOUT, view) :]
