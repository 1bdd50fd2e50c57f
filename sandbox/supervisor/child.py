"""What happens between the fork and the user's first line. Runs in the child only."""

import builtins
import contextlib
import ctypes
import fcntl
import gc
import io
import os
import resource
import signal
import sys
import types
from collections.abc import Callable, Sequence

from .last_word import LastWord
from .lean_typing import NamedTuple, NoReturn
from .workspace import WORKSPACE

PASSED_ON = frozenset(
    {
        "GOMAXPROCS",
        "HOME",
        "LANG",
        "LOGNAME",
        "MPLBACKEND",
        "MPLCONFIGDIR",
        "MATPLOTLIBRC",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "TERM",
        "TZ",
        "USER",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    }
)
"""The environment of programs is these variables of the image, and no others."""

PR_SET_DUMPABLE = 4
_OUT_OF_MEMORY_FIRST = b"1000"


def set_dumpable(*, dumpable: bool) -> None:
    """Say whether processes of the same uid may look into this one.

    The supervisor and the program share a uid, so that the one may kill the other and read
    its files with no capability at all. What keeps the program out of the supervisor's
    memory and descriptors (`/proc/1/mem`, `/proc/1/fd`, ptrace) is this flag: prctl(2).

    Raises:
        OSError: The kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, int(dumpable), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


class Confined(NamedTuple):
    """What a process that waits for its program still has open beside the program's own."""

    orders: int
    progress: int
    out_of_memory: int
    """What is written here is its place among those that the kernel kills for memory."""


def confine(stdio: tuple[int, int, int], *, orders: int, progress: int) -> Confined:
    """Turn this process into a program's: session, descriptors, limits, environment.

    Everything else that the supervisor has open, its frames above all, is closed here. Until
    `let_go` nobody can look into the process: it may be that another one runs the program.
    """
    os.setsid()
    set_dumpable(dumpable=True)  # Else its own files in /proc belong to root.
    out_of_memory = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    set_dumpable(dumpable=False)
    confined = Confined(*range(len(stdio), len(stdio) + len(Confined._fields)))
    kept = [
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, max(confined) + 1)
        for descriptor in (orders, progress, out_of_memory)
    ]
    for target, descriptor in enumerate(stdio):
        os.dup2(descriptor, target)
    for target, descriptor in zip(confined, kept, strict=True):
        os.dup2(descriptor, target, inheritable=False)
    os.closerange(max(confined) + 1, os.sysconf("SC_OPEN_MAX"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in os.environ.keys() - PASSED_ON:
        del os.environ[name]
    os.environ["PWD"] = WORKSPACE
    os.chdir(WORKSPACE)
    os.umask(0o022)
    return confined


def let_go(confined: Confined) -> None:
    """Make it a program: nothing of the supervisor's is left in it."""
    # When memory runs out the kernel shall take the program, not PID 1.
    os.write(confined.out_of_memory, _OUT_OF_MEMORY_FIRST)
    for descriptor in confined:
        os.close(descriptor)
    set_dumpable(dumpable=True)  # Its memory is its own business from here on.


def execute(commands: Sequence[tuple[str, ...]], args: tuple[str, ...]) -> NoReturn:
    """Run all `commands` but the last, and become that one, with `args`.

    Ends with the status of the first that fails. A command that does not exist is 127, as a
    shell would say, or 126 if it cannot be executed.
    """
    # Python ignores these two; `yes | head` must not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    *before, last = commands
    for command in before:
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)  # What a compiler has to say is no output of the program.
            _become(command)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != 0:
            os._exit(code if code > 0 else 128 - code)
    _become((*last, *args))


def _become(command: tuple[str, ...]) -> NoReturn:
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        os.write(2, f"[sandbox] this sandbox image has no {command[0]}\n".encode())
        os._exit(127)
    except (OSError, ValueError) as fault:
        os.write(2, f"{command[0]}: {fault}\n".encode())
        os._exit(126)


class Execution(NamedTuple):
    """How a program's code is executed."""

    run: Callable[[types.CodeType, dict[str, object]], object] = exec
    flags: int = 0
    """Of its compilation."""


def run_python(
    path: str, args: tuple[str, ...], last_word: LastWord, execution: Execution | None = None
) -> NoReturn:
    """Run the file at `path` as `python3 path args` would, in this very interpreter.

    What the supervisor has imported is there already; nothing else of it is. Ends the
    process with the exit code that Python would give, and tells it as its last word before.
    """
    process = os.getpid()
    main = types.ModuleType("__main__")
    main.__dict__.update({"__file__": path, "__builtins__": builtins, "__cached__": None})
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    sys.modules["__main__"] = main
    sys.argv = [path, *args]
    sys.path[0] = WORKSPACE  # Also where an input has the entry file's name.
    status = _run(path, main, execution or Execution())
    # What the interpreter does at its end, less the time it takes to free every module.
    import atexit  # noqa: PLC0415 - part of the interpreter

    try:
        if threading := sys.modules.get("threading"):  # Else there are no threads of Python's.
            threading._shutdown()  # noqa: SLF001 - no public name
        atexit._run_exitfuncs()  # type: ignore[attr-defined] # noqa: SLF001 - as above
    except BaseException as error:  # noqa: BLE001 - reported as Python reports it
        _report(error)
    _close_what_is_open(main)
    status = _flush(status)
    if os.getpid() == process:  # A child that the program forked may come here, too.
        last_word.say(status)
    os._exit(status)


def _run(path: str, main: types.ModuleType, execution: Execution) -> int:
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", execution.flags, dont_inherit=True)
        execution.run(code, main.__dict__)
    except SystemExit as leaving:
        return _exit_status(leaving.code)
    except BaseException as error:  # noqa: BLE001 - every end of a program is a result
        error.__traceback__ = _less_our_frames(error.__traceback__, path)
        _report(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _less_our_frames(
    traceback: types.TracebackType | None, path: str
) -> types.TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename != path:
        traceback = traceback.tb_next
    return traceback


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    with contextlib.suppress(Exception):  # Its `__str__` is the program's.
        print(code, file=sys.stderr)  # noqa: T201 - as Python does for sys.exit("text")
    return 1


def _report(error: BaseException) -> None:
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as fault:  # noqa: BLE001 - the hook may be the program's
        sys.__excepthook__(type(fault), fault, fault.__traceback__)
        sys.__excepthook__(type(error), error, error.__traceback__)


def _close_what_is_open(main: types.ModuleType) -> None:
    """Let go of what the program holds: many never close the files that they write.

    First every open file is flushed: those in a cycle lose their bytes even at Python's own
    end (bpo-17852). Then the program's globals go, as they do there, since an archive or a
    compressed file writes its last bytes when it is collected.
    """
    _flush_files()
    threading = sys.modules.get("threading")
    if (
        threading is None or threading.active_count() == 1
    ):  # Else a daemon thread would stumble over the gaps.
        for name in [name for name in main.__dict__ if name != "__builtins__"]:
            main.__dict__[name] = None
        gc.collect()
        _flush_files()
    ctypes.CDLL(None).fflush(None)  # The same for what is written in C.


def _flush_files() -> None:
    for thing in gc.get_objects():
        if issubclass(type(thing), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            with contextlib.suppress(Exception):  # Closed, or without room: it is too late.
                thing.flush()


def _flush(status: int) -> int:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return status or 120  # Python's own code for output that could not be flushed.
    return status
