"""Runs a bash program whose tools are functions, and makes their calls for it.

This process stays beside the shell: functions leave their argument in a file, say so in a FIFO,
and wait for the answer on one of their own. No part of it is trusted.
"""

import json
import os
import re
import select
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress

from ..frames import CHUNK_BYTES
from ..languages import BUILD, LANGUAGES
from ..lean_typing import NamedTuple, NoReturn
from .bash_stubs import END_SIGNAL, FOLDER_MODE, MAX_ARGUMENT_BYTES, preamble
from .channel import Tool, dump_input
from .line import Line, Reply

FOLDER = f"{BUILD}/.tools"
SHOWN_CHARS = 200
"""Of an argument that is wrong."""


def run(path: str, args: tuple[str, ...], line: Line, tools: Sequence[Tool]) -> NoReturn:
    """Run the script at `path` with `args`, and end as it ends."""
    os.mkdir(FOLDER, FOLDER_MODE)
    with open(f"{FOLDER}/functions.sh", "w", encoding="utf-8") as file:
        file.write(preamble(tools, FOLDER))
    os.mkfifo(f"{FOLDER}/requests", 0o600)
    wakeup, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    shell = os.fork()
    if shell == 0:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.environ["BASH_ENV"] = f"{FOLDER}/functions.sh"
        (command,) = LANGUAGES["bash"].commands(path)
        os.execvp(command[0], (*command, *args))  # noqa: S606 - the command is ours
    _Agent(shell, line, tools, wakeup).serve()


_REQUEST = re.compile(r"([0-9]{1,10}\.[0-9]{1,10}) ([0-9]{1,3})")


class _Request(NamedTuple):
    """A function that waits."""

    name: str
    """Of its files."""
    tool: str


class _Agent:
    def __init__(self, shell: int, line: Line, tools: Sequence[Tool], wakeup: int) -> None:
        self._shell = shell
        self._line = line
        self._tools = [tool.name for tool in tools]
        self._wakeup = wakeup
        self._requests = os.open(f"{FOLDER}/requests", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._folder = os.open(FOLDER, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._unread = b""
        self._waiting: dict[int, _Request] = {}
        self._is_over = False

    def serve(self) -> NoReturn:
        while True:
            self._end_if_shell_has()
            ready, _, _ = select.select(
                [self._wakeup, self._requests, self._line.reader], [], []
            )
            if self._wakeup in ready:
                os.read(self._wakeup, CHUNK_BYTES)
            if self._requests in ready:
                self._take_requests()
            if self._line.reader in ready:
                for reply in self._line.hear():
                    self._answer(reply)

    def _end_if_shell_has(self) -> None:
        pid, status = os.waitpid(self._shell, os.WNOHANG)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        if self._is_over:
            os._exit(1)
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code if code >= 0 else 128 - code)

    def _take_requests(self) -> None:
        self._unread += os.read(self._requests, CHUNK_BYTES)
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            request = _REQUEST.fullmatch(line.decode(errors="replace"))
            if request is not None and int(request[2]) < len(self._tools):
                self._take(_Request(request[1], self._tools[int(request[2])]))

    def _take(self, request: _Request) -> None:
        argument = self._argument(f"{request.name}.in")
        text = _object(argument)
        if text is None:
            shown = argument.decode(errors="replace")[:SHOWN_CHARS]
            tool = request.tool
            self._fail(request, f"tool input for {tool} must be a JSON object, got: {shown}")
            return
        self._waiting[self._line.call(request.tool, text)] = request

    def _argument(self, name: str) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self._folder)
        except OSError:
            return b""
        with open(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            argument = file.read(MAX_ARGUMENT_BYTES) if is_file else b""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._folder)
        return argument

    def _answer(self, reply: Reply) -> None:
        request = self._waiting.pop(reply.number)
        if reply.is_error:
            self._fail(request, reply.text.decode(errors="replace"))
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(f"{request.name}.result", flags, 0o600, dir_fd=self._folder)
            with open(descriptor, "wb") as file:
                file.write(_compact(reply.text))
        except OSError as fault:
            self._fail(request, f"the result of {request.tool} is lost: {fault}")
            return
        self._tell(request, b"0\n")

    def _tell(self, request: _Request, word: bytes) -> None:
        name = f"{request.name}.out"
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):  # It is gone: killed, perhaps.
            descriptor = os.open(name, flags, dir_fd=self._folder)
            os.unlink(name, dir_fd=self._folder)
            os.write(descriptor, word)
            os.close(descriptor)

    def _fail(self, request: _Request, message: str) -> None:
        """End the whole program: what a command substitution returns cannot do that."""
        self._is_over = True
        os.write(2, f"{message}\n".encode())
        if int(request.name.partition(".")[0]) == self._shell:
            self._tell(request, b"1\n")  # It ends itself.
            return
        with suppress(ProcessLookupError):
            os.kill(self._shell, END_SIGNAL)
        for pid in _others(self._shell):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _others(shell: int) -> list[int]:
    """Return the other processes of the program."""
    ours = {1, os.getpid(), shell}
    found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in found if pid not in ours]


def _object(argument: bytes) -> bytes | None:
    """Return a JSON object as it is sent; `None` if the argument is none."""
    try:
        given = json.loads(argument)
        return dump_input(given) if isinstance(given, dict) else None
    except (ValueError, RecursionError):
        return None


def _compact(text: bytes) -> bytes:
    """Write JSON without spaces, as the contract has it; as it is if Python cannot read it.

    That is JSON all the same: a number of thousands of digits, or very deep lists.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )
