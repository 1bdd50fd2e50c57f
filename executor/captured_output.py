"""What a program has printed so far, never more than it may."""

from executor.claims import STOPPED, EndedClaim
from executor.messages import Stopped
from executor.sandbox import Execution, RunLimits, SandboxLostError
from sandbox.supervisor.frames import Frame, Kind


class CapturedOutput:
    """Standard output and standard error of one run."""

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self._streams = {Kind.STDOUT: bytearray(), Kind.STDERR: bytearray()}
        self._room = {Kind.STDOUT: limits.stdout_bytes, Kind.STDERR: limits.stderr_bytes}

    @property
    def stdout(self) -> bytes:
        """What it has printed."""
        return bytes(self._streams[Kind.STDOUT])

    @property
    def stderr(self) -> bytes:
        """What it has complained of."""
        return bytes(self._streams[Kind.STDERR])

    def add(self, frame: Frame) -> None:
        """Take a frame of output.

        Raises:
            SandboxLostError: It is none, or more than the limits allow.
        """
        if frame.kind not in self._streams or len(frame.payload) > self._room[frame.kind]:
            raise SandboxLostError(f"unexpected {frame.kind.name} during the run")
        self._room[frame.kind] -= len(frame.payload)
        self._streams[frame.kind] += frame.payload

    def ended(self, claim: EndedClaim) -> Execution:
        """Return the execution as the supervisor tells it."""
        return Execution(
            exit_code=claim.exit_code,
            signal=claim.signal,
            stopped=STOPPED[claim.stopped] if claim.stopped else None,
            wall_time_ms=claim.wall_time_ms,
            stdout=bytes(self._streams[Kind.STDOUT]),
            stderr=bytes(self._streams[Kind.STDERR]),
            stderr_cut=claim.stderr_cut,
        )

    def killed(self, stopped: Stopped, *, wall_time_ms: int) -> Execution:
        """Return the execution of a program whose supervisor cannot tell any more."""
        return Execution(
            exit_code=None,
            signal="SIGKILL",
            stopped=stopped,
            wall_time_ms=wall_time_ms,
            stdout=bytes(self._streams[Kind.STDOUT]),
            stderr=bytes(self._streams[Kind.STDERR]),
            stderr_cut=False,
        )
