"""Imports what programs usually want, and uses it once, while no job is there to wait for."""

import gc
import importlib
from collections.abc import Callable, Sequence

SMALL_MODULES = (
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
)
"""Python's own: 60 ms of processor time and 8 MB together, so every sandbox has them."""

LIBRARIES = (
    "numpy",
    "pandas",
    "matplotlib.pyplot",
)
"""A second of processor time and 75 MB together. What is missing from the image is left out,
so that an operator may slim it."""


def preload_until_needed(
    modules: Sequence[str], is_needed: Callable[[], bool]
) -> tuple[str, ...]:
    """Import `modules` one after the other until `is_needed` says that somebody waits.

    Returns:
        The names of those that are loaded now.
    """
    loaded: list[str] = []
    for name in modules:
        if is_needed():
            break
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        loaded.append(name)
    if loaded:
        _use_once(loaded, is_needed)
    return tuple(loaded)


def _use_once(loaded: Sequence[str], is_needed: Callable[[], bool]) -> None:
    from .warm_up import WARM_UPS  # noqa: PLC0415 - a sandbox's start is to be short

    for name in loaded:
        if name in WARM_UPS and not is_needed():
            WARM_UPS[name]()
    # What is loaded stays shared with the program's process: the collector would
    # otherwise write to every object's header, and so copy the pages.
    gc.collect()
    gc.freeze()
