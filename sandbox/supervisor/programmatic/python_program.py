"""Runs a Python program in which `await` is allowed everywhere, and its tools are functions.

The source stays as it is. One that awaits at its top level runs in an event loop; any other
runs as a plain file would, and may start loops of its own with `asyncio.run`.
"""

import ast
import asyncio
import inspect
import json
import keyword
import os
import sys
import threading
import types
import typing
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from ..child import Execution
from .channel import Tool, dump_input
from .identifiers import python_identifier
from .line import Line, Reply

QUIET_S = 0.03
"""A timer that is due later than this is not waited for before a round ends."""

_CALL = "_ptc_call"


class ToolExecutionError(Exception):
    """The tool failed, or could not be called."""


ToolExecutionError.__module__ = "__main__"  # As the program knows it, in tracebacks too.

Names = dict[str, object]


def execution(line: Line, tools: Sequence[Tool]) -> Execution:
    """Return how a program is to be executed that can call `tools`."""
    calls = Calls(line)

    def run(code: types.CodeType, names: Names) -> None:
        names.update(_given_names())
        names.update({python_identifier(tool.name): _function(tool, calls) for tool in tools})
        if code.co_flags & inspect.CO_COROUTINE:
            _run_in_loop(types.FunctionType(code, names)())
        else:
            exec(code, names)  # noqa: S102 - this is what the sandbox is for

    return Execution(run, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _given_names() -> Names:
    """What a program may use without an import (librechat-contract 4.5)."""
    given = {"json": json, "sys": sys, "os": os, "asyncio": asyncio}
    kinds = {
        name: getattr(typing, name) for name in ("Any", "Dict", "List", "Optional", "Union")
    }
    return {**given, **kinds, "ToolExecutionError": ToolExecutionError}


def _run_in_loop(program: Coroutine[Any, Any, object]) -> None:
    """Run a program to its end, and raise what it raises with its own traceback alone."""
    raised: list[BaseException] = []

    async def body() -> None:
        try:
            await program
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    with asyncio.Runner() as runner:
        runner.run(body())
    if raised:
        raise raised[0]


def _function(tool: Tool, calls: "Calls") -> Callable[..., Coroutine[Any, Any, object]]:
    """Return a tool's function, with the parameters that its schema has."""
    name = python_identifier(tool.name)
    required = [each for each in tool.parameters if each in tool.required]
    optional = [each for each in tool.parameters if each not in tool.required]
    head = ", ".join([*required, *(f"{each}=None" for each in optional)])
    body = ", ".join(f"{each!r}: {each}" for each in tool.parameters)
    source = f"async def {name}({head}): return await {_CALL}({{{body}}})"
    if not _may_be_parameters(tool.parameters):
        source = f"async def {name}(**given): return await {_CALL}(given)"

    async def call(given: dict[str, object]) -> object:
        return await calls.call(tool.name, given)

    made: dict[str, Any] = {_CALL: call}
    exec(compile(source, f"<tool {name}>", "exec"), made)  # noqa: S102 - all of it is checked
    return made[name]


def _may_be_parameters(names: Sequence[str]) -> bool:
    if any(not each.isidentifier() or keyword.iskeyword(each) for each in names):
        return False
    try:
        # `__debug__` is none, and Python reads some different texts as one name (NFKC).
        compile(f"lambda {', '.join(names)}: 0", "<parameters>", "eval")
    except SyntaxError:
        return False
    return _CALL not in names


class Calls:
    """Calls of this process that wait for their replies, in whichever event loop."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._process = os.getpid()
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Future[Reply]]] = {}
        self._lock = threading.RLock()
        self._is_looking = False

    async def call(self, tool: str, given: dict[str, object]) -> object:
        """Call a tool; return its result.

        Raises:
            ToolExecutionError: The tool failed.
            TypeError, ValueError: An argument is nothing that JSON can carry.
        """
        if os.getpid() != self._process:
            raise ToolExecutionError("tools can be called in the program's own process alone")
        wanted = {name: value for name, value in given.items() if value is not None}
        text = dump_input(wanted)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        with self._lock:
            self._waiting[self._line.call(tool, text)] = loop, future
        loop.add_reader(self._line.reader, self._hear, loop)
        self._look_later(loop)
        reply = await future
        if reply.is_error:
            raise ToolExecutionError(reply.text.decode(errors="replace"))
        return json.loads(reply.text)

    def _hear(self, own: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            for reply in self._line.hear():
                loop, future = self._waiting.pop(reply.number)
                with suppress(RuntimeError):  # The loop is closed: nobody waits there.
                    loop.call_soon_threadsafe(_settle, future, reply)
            if all(loop is not own for loop, _ in self._waiting.values()):
                own.remove_reader(self._line.reader)
        self._look_later(own)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_looking:
            self._is_looking = True
            loop.call_soon(self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say so, once the program can do nothing more before it has a reply.

        The supervisor waits for a while otherwise: further calls may come.
        """
        self._is_looking = False
        ready: Any = getattr(loop, "_ready", None)
        timers: Any = getattr(loop, "_scheduled", None)
        if ready is None or timers is None or threading.active_count() > 1:
            return
        if ready:
            self._look_later(loop)  # After those that are to run before.
        elif self._waiting and not (timers and timers[0].when() - loop.time() < QUIET_S):
            self._line.settled()


def _settle(future: "asyncio.Future[Reply]", reply: Reply) -> None:
    if not future.done():  # Else it was given up: a time limit of the program's own.
        future.set_result(reply)
