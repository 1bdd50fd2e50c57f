"""Imports what programs usually want, while no job is there to wait for."""

import gc
import importlib
import select

MODULES = (
    # Small ones first: a job that comes early waits for the import under way, no longer.
    "json",
    "csv",
    "random",
    "datetime",
    "statistics",
    "pathlib",
    "decimal",
    "dataclasses",
    "subprocess",
    "asyncio",
    "numpy",
    "pandas",
    "matplotlib.pyplot",
)
"""Loaded in this order. About 90 MB together; what is missing from the image is left out,
so that an operator may slim it."""


def preload_until_needed(descriptor: int) -> tuple[str, ...]:
    """Import `MODULES` one after the other until `descriptor` can be read.

    Returns:
        The names of the modules that are loaded now.
    """
    loaded: list[str] = []
    for name in MODULES:
        if _readable(descriptor):
            break
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        loaded.append(name)
    # What is loaded stays shared with the program's process: the collector would
    # otherwise write to every object's header, and so copy the pages.
    gc.collect()
    gc.freeze()
    return tuple(loaded)


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])
