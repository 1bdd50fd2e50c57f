"""Programs of the first tenant, and what came of them."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.live.running_service_caller import Caller, StoredFile
from tests.security.conftest import TIME_LIMIT_S

DEADLINE_S = TIME_LIMIT_S + 5
"""Longest answer to any attack."""

AT_ONCE = 3
"""Attacks side by side: two processors run four programs, and one is a neighbour's."""

LOOK_EVERY_S = 0.2

REFUSED = frozenset({"EPERM", "EACCES", "ENOSYS"})
"""What the kernel says to whom it forbids something, or to whom it is not shown."""


ENVIRONMENT = {
    *("GOMAXPROCS", "HOME", "LANG", "LOGNAME", "MATPLOTLIBRC", "MKL_NUM_THREADS", "MPLBACKEND"),
    *("MPLCONFIGDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PWD"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "USER", "XDG_CACHE_HOME"),
    "XDG_CONFIG_HOME",
}
"""All that a program is told."""


class Attack(NamedTuple):
    """A program."""

    code: str
    lang: str = "py"
    more: Mapping[str, Any] = MappingProxyType({})
    """Further fields of the request."""


def attack(
    caller: Caller, code: str, *inputs: StoredFile, lang: str = "py", **more: Any
) -> Any:
    """Run a program; return the answer, which must be a 200 and come in time."""
    began_at = time.monotonic()
    answer = caller.run(code, *inputs, lang=lang, **more)
    took_s = time.monotonic() - began_at
    assert took_s < DEADLINE_S, f"the answer took {took_s:.1f} s"
    return answer


def attack_at_once(
    caller: Caller, *attacks: Attack, meanwhile: Callable[[], object] = lambda: None
) -> list[Any]:
    """Run several programs side by side, and look at the host meanwhile; return the answers."""
    with ThreadPoolExecutor(AT_ONCE) as elsewhere:
        pending = [
            elsewhere.submit(attack, caller, each.code, lang=each.lang, **each.more)
            for each in attacks
        ]
        while wait(pending, timeout=LOOK_EVERY_S).not_done:
            meanwhile()
    return [future.result() for future in pending]


HARNESS = """
import ctypes, errno, json, os, signal, socket, struct, sys

socket.setdefaulttimeout(1)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def syscall(number, *args):
    # The wrappers of libc know what a kernel would refuse; the kernel is to say it itself.
    whole = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = libc.syscall(ctypes.c_long(number), *whole)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result

def read(path, size=4096):
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return os.read(descriptor, size)

def write(path, data=b"1"):
    return os.write(os.open(path, os.O_WRONLY), data)

def word_for(attempt):
    try:
        return f"done: {eval(attempt)!r}"[:300]
    except socket.gaierror:
        return "no such name"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))

def in_a_child(attempt):
    # What it changes, and what kills it, is its own.
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(2)
        try:
            os.write(writer, word_for(attempt).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as words:
        word = words.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return signal.Signals(-code).name if code < 0 else word
"""


def tried(
    caller: Caller,
    attempts: Mapping[str, str],
    helpers: str = "",
    *inputs: StoredFile,
    in_children: bool = False,
) -> dict[str, str]:
    """Try Python expressions in one sandbox.

    Args:
        caller: Who tries.
        attempts: The expressions, by what they are about.
        helpers: Python that they need beside `HARNESS`.
        inputs: Files of the run.
        in_children: Whether each is tried in a process of its own.

    Returns:
        What came of each: the name of an errno, the name of the signal that killed the
        process, `no such name`, or `done: ` and the value.
    """
    how = "in_a_child" if in_children else "word_for"
    code = (
        f"{HARNESS}\n{helpers}\n"
        f"words = {{name: {how}(attempt) for name, attempt in {dict(attempts)!r}.items()}}\n"
        "print(json.dumps(words))"
    )
    answer = attack(caller, code, *inputs)
    assert (answer["code"], answer["stderr"]) == (0, "")
    words = json.loads(answer["stdout"])
    assert words.keys() == attempts.keys()
    return words


def other_than(wanted: Collection[str], words: Mapping[str, str]) -> dict[str, str]:
    """Return those of `words` that are none of the wanted ones."""
    return {name: word for name, word in words.items() if word not in wanted}
