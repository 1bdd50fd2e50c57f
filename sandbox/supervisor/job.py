"""What the executor asks for, as the supervisor sees it."""

from .frames import Frame, FrameError, decode_json
from .lean_typing import NamedTuple, cast


class Limits(NamedTuple):
    """What one run may use. The executor checks the same figures again on its side."""

    wall_time_s: float
    stdout_bytes: int
    """More than this ends the program (librechat-contract 6.1, `OL`)."""
    stderr_bytes: int
    """More than this is cut; the program goes on."""
    file_bytes: int
    """Largest file that is kept."""
    total_bytes: int
    """All kept files together. Sparse files and hard links announce more than the workspace
    holds."""
    files: int
    """Most files that are kept."""
    depth: int
    """Most levels of a kept file's path."""
    path_chars: int
    open_files: int
    extensions: tuple[str, ...] = ()
    """Which files are kept, as `scan.kind_of` names them; all if there are none."""


_FIGURES = tuple(name for name in Limits._fields if name not in {"wall_time_s", "extensions"})


class KeptState(NamedTuple):
    """How the workspace is kept for the next run."""

    max_bytes: int
    """A larger one is not."""
    variables: bool
    """Whether the variables of Python programs are kept with it."""


class Job(NamedTuple):
    """One program and how to run it."""

    language: str
    args: tuple[str, ...]
    limits: Limits
    tools: bytes | None = None
    """What it can call, as `programmatic.channel.dump_tools` writes it; `None`: it is a plain
    program."""
    state: KeptState | None = None
    """`None`: nothing of the workspace is kept but the files that are sent."""


def parse_job(frame: Frame) -> Job:
    """Read a JOB frame.

    Raises:
        FrameError: It does not have the fields of this protocol version.
    """
    fields = decode_json(frame)
    try:
        limits = cast("dict[str, int | float]", fields["limits"])
        return Job(
            language=str(fields["language"]),
            args=tuple(str(arg) for arg in cast("list[object]", fields["args"])),
            limits=Limits(
                wall_time_s=float(limits["wall_time_s"]),
                **{name: int(limits[name]) for name in _FIGURES},
                extensions=tuple(
                    str(extension)
                    for extension in cast("list[object]", fields.get("extensions", []))
                ),
            ),
            state=_state(fields.get("state")),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise FrameError(f"unusable job: {fault}") from fault


def _state(field: object) -> KeptState | None:
    if field is None:
        return None
    state = cast("dict[str, int]", field)
    return KeptState(int(state["max_bytes"]), bool(state["variables"]))
