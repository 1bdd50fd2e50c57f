"""The program's process, forked before anybody knows what it is going to run.

It loads what programs usually want itself: forked from a process that holds pandas, it would
copy each page that it writes to, which takes 6 ms of a small program with a table. Ending one
takes the kernel 2 to 4 ms of a processor, so one that is not needed waits on, and ends with the
sandbox.
"""

import json
import os
import resource
import select
import signal
from collections.abc import Sequence

from . import child
from .frames import CHUNK_BYTES
from .languages import LANGUAGES
from .last_word import LastWord
from .lean_typing import NamedTuple, NoReturn
from .preload import preload_until_needed


class Order(NamedTuple):
    """What the process is to run."""

    language: str
    path: str
    """Of the entry file."""
    args: tuple[str, ...]
    open_files: int
    tools: str | None = None
    """What it can call, as JSON; `None`: it is a plain program."""
    variables: bool = False
    """Whether a Python program finds the variables of the one before, and keeps its own."""


class Standby:
    """A process with the three descriptors and the limits of a program, waiting."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        """Fork it.

        Args:
            modules: What it loads before it waits, or until it has an order.

        Raises:
            OSError: The kernel has no room for another process.
        """
        stdin, stdin_write = os.pipe()
        os.write(stdin_write, b"\n")  # The contract's standard input (3.4).
        os.close(stdin_write)
        self.stdout, stdout_write = os.pipe()
        self.stderr, stderr_write = os.pipe()
        self.last_word = LastWord()
        orders, self._orders = os.pipe()
        self._progress, progress_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            stdio = stdin, stdout_write, stderr_write
            _become_program(stdio, orders, progress_write, modules, self.last_word)
        for descriptor in (orders, progress_write, stdin, stdout_write, stderr_write):
            os.close(descriptor)

    def loaded(self, *, unless: int) -> tuple[str, ...] | None:
        """Wait until its modules are loaded; return which of them are.

        Args:
            unless: A descriptor. Is there anything to read, it is more urgent: `None` then.

        Raises:
            ChildProcessError: It has ended instead, for lack of memory most likely.
        """
        ready, _, _ = select.select([self._progress, unless], [], [])
        if self._progress not in ready:
            return None
        text = os.read(self._progress, CHUNK_BYTES)
        if not text:
            raise ChildProcessError
        return tuple(json.loads(text))

    def release(self, order: Order) -> None:
        """Let it run. Once.

        Raises:
            BrokenPipeError: It is gone, though no program has run yet.
        """
        text = json.dumps(order).encode()
        while text:
            text = text[os.write(self._orders, text) :]
        os.close(self._orders)


def _become_program(
    stdio: tuple[int, int, int],
    orders: int,
    progress: int,
    modules: Sequence[str],
    last_word: LastWord,
) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confined = child.confine(stdio, orders=orders, progress=progress)
        if modules:
            loaded = preload_until_needed(modules, lambda: _readable(confined.orders))
            os.write(confined.progress, json.dumps(loaded).encode())
        order = _wait_for_order(confined.orders)
        child.let_go(confined)
        most = min(order.open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if order.tools is not None:
            _become_programmatic(order, last_word)
        language = LANGUAGES[order.language]
        if language.command is None:
            execution = _execution_with_variables() if order.variables else None
            child.run_python(order.path, order.args, last_word, execution)
        child.execute(language.commands(order.path), order.args)
    except BaseException as fault:  # noqa: BLE001 - never back into the supervisor
        os.write(2, f"[sandbox] the program could not be started: {fault!r}\n".encode())
        os._exit(126)


def _execution_with_variables() -> child.Execution:
    from .variables import execution  # noqa: PLC0415 - 10 ms that few programs need

    return execution()


def _become_programmatic(order: Order, last_word: LastWord) -> NoReturn:
    """Become a program that may call tools: few are, so its code is not loaded before."""
    from .programmatic import bash_program, python_program  # noqa: PLC0415 - as said
    from .programmatic.channel import parse_tools  # noqa: PLC0415
    from .programmatic.line import Line  # noqa: PLC0415

    line, tools = Line(), parse_tools((order.tools or "").encode())
    if LANGUAGES[order.language].command is None:
        execution = python_program.execution(line, tools)
        child.run_python(order.path, order.args, last_word, execution)
    bash_program.run(order.path, order.args, line, tools)


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def _wait_for_order(orders: int) -> Order:
    text = bytearray()
    while piece := os.read(orders, CHUNK_BYTES):
        text += piece
    if not text:
        os._exit(0)  # The supervisor has ended: there is no program.
    language, path, args, *rest = json.loads(text)
    return Order(language, path, tuple(args), *rest)
