"""Runs at the start of every Python interpreter in the sandbox, by `code_command.pth`.

A `.pth` file rather than `sitecustomize`: Debian's Python has a `sitecustomize` of its own,
which wins, and a program may bring one too. It runs with `-I` as well, so the supervisor and
the programs that it forks have it without starting Python again.

It costs one look into a dictionary for every import, and nothing of matplotlib is loaded
before the program imports it.
"""

import sys

TYPE_CHECKING = False  # As `typing` has it, whose import takes longer than all of this.
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

SHARED_MODULES = "/mnt/shared/utils"
"""Modules that the installation shares with every program; last, so that nothing there can
stand in for a module of Python or of the image."""

_CHANGED = frozenset(
    {
        "matplotlib",
        "matplotlib.figure",
        "matplotlib.font_manager",
        "matplotlib.pyplot",
    }
)
"""The modules that `matplotlib_code_command` prepares for or changes."""


class _Loader:
    """Loads a module with its own loader, and lets our code act before and after."""

    def __init__(self, loader: "Any") -> None:
        self._loader = loader

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        return self._loader.create_module(spec)

    def exec_module(self, module: "ModuleType") -> None:
        import matplotlib_code_command as changes  # noqa: PLC0415 - not before matplotlib is

        # From here on the module looks untouched: `inspect` and `importlib.resources` ask
        # the loader for sources and files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        changes.before(module.__name__)
        self._loader.exec_module(module)
        changes.after(module)


class _Finder:
    """Answers for the few modules in `_CHANGED`, and for no other."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name not in _CHANGED:
            return None
        from importlib.machinery import PathFinder  # noqa: PLC0415 - not for every interpreter

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment] # the import system asks no more of a loader
        return spec


sys.path.append(SHARED_MODULES)
sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type] # a class with find_spec, as PathFinder is
