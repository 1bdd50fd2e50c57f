"""Keeps a Python session's top-level variables from one run to the next, as far as pickles do.

Runs in the program's own process alone. What is loaded here was written by a program of the
same user, who may as well have made it by hand: loading it is running that user's code, in
that user's sandbox, which is what the sandbox is for. Nobody else ever loads it.
"""

import io
import os
import sys
import types
from contextlib import suppress
from importlib import import_module
from typing import Any

from .child import Execution
from .kept_state import VARIABLES_PATH

MAX_NAMED = 20

cloudpickle: Any = import_module("cloudpickle")
"""Of the image, and before the program can put a module of its own in its place."""

Names = dict[str, object]


def execution(path: str = VARIABLES_PATH) -> Execution:
    """Return how a program is to be executed that finds the variables of the one before."""

    def run(code: types.CodeType, names: Names) -> None:
        _load(path, names)
        try:
            exec(code, names)  # noqa: S102 - this is what the sandbox is for
        finally:
            _save(path, names)

    return Execution(run)


class _MainGlobals(dict[str, object]):
    """Stands for the program's own globals in a pickle.

    Else a function would come back with a copy of them, and would not see it when the next
    program gives one of its names another value.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("__import__('__main__').__dict__",)


def _load(path: str, names: Names) -> None:
    try:
        with open(path, "rb") as file:
            names.update(cloudpickle.load(file))
    except FileNotFoundError:
        return
    except Exception as fault:  # noqa: BLE001 - whatever a pickle's own code raises
        _say(f"the variables of earlier runs are lost: {_shown(fault)}")


def _save(path: str, names: Names) -> None:
    """Write what can be written, whole or not at all; say what cannot."""
    wanted = {
        name: value
        for name, value in names.items()
        if not (name.startswith("__") and name.endswith("__"))
    }
    problems: dict[str, str] = {}
    try:
        data = _dump(wanted, names)
    except Exception:  # noqa: BLE001 - one of them cannot be pickled: which, is asked now
        for name, value in list(wanted.items()):
            try:
                _dump({name: value}, names)
            except Exception as fault:  # noqa: BLE001 - whatever its own code raises
                problems[name] = _shown(fault)
                del wanted[name]
        try:
            data = _dump(wanted, names)
        except Exception as fault:  # noqa: BLE001 - as above
            _say(f"no variable was kept for the next run: {_shown(fault)}")
            return
    if problems:
        shown = [f"{name} ({problem})" for name, problem in problems.items()]
        more = f" and {len(shown) - MAX_NAMED} more" if len(shown) > MAX_NAMED else ""
        _say(f"variables not kept for the next run: {', '.join(shown[:MAX_NAMED])}{more}")
    try:
        _replace(path, data)
    except OSError as fault:
        _say(
            f"variables were not kept for the next run, {len(data)} bytes in all:"
            f" {fault.strerror}"
        )


def _dump(wanted: Names, names: Names) -> bytes:
    with io.BytesIO() as file:
        pickler = cloudpickle.Pickler(file)
        # Keyed by identity: cloudpickle's own way to let functions share their globals.
        pickler.globals_ref[id(names)] = _MainGlobals({"__name__": "__main__"})
        pickler.dump(wanted)
        return file.getvalue()


def _replace(path: str, data: bytes) -> None:
    fresh = f"{path}.new"
    try:
        with open(fresh, "wb") as file:
            file.write(data)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise
    os.replace(fresh, path)


def _shown(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200] or type(fault).__name__


def _say(text: str) -> None:
    with suppress(Exception):  # The program may have closed it, or put something in its place.
        sys.stderr.flush()
    with suppress(OSError):
        os.write(2, f"[sandbox] {text}\n".encode(errors="backslashreplace"))
