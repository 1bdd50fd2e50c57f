"""Makes matplotlib behave as a program without a screen expects (contract 3.7).

`plt.show()` writes `plot_1.png`, `plot_2.png`, … to the working directory, and an explicit
`dpi` above 200 is lowered to 200. The program's source stays as it is: its modules are
changed right after they are imported (`code_command_startup`). What settings can do is in
`matplotlibrc` instead. The name of this module begins as matplotlib's own does: for a warning
matplotlib looks for the first file outside of `…/matplotlib*`, which shall be the program's.

Everything here is state of one process. A program that is forked from an interpreter which
has imported matplotlib already starts with no figure and the number 1, for that interpreter
never shows one.
"""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakSet

SETTINGS_DIR = Path("/opt/code-command/matplotlib")
"""`matplotlibrc`, and the list of fonts that was made when the image was built."""

WRITABLE_DIR = "/tmp/matplotlib"  # noqa: S108 - the contract's place; /tmp is the sandbox's own
MAX_DPI = 200
"""Contract 3.7. More makes pictures that neither a chat nor its user can use."""

_saved: WeakSet[Any] = WeakSet()
_shown = 0


def before(name: str) -> None:
    """Prepare for the import of the module called `name`."""
    if name == "matplotlib":
        os.environ.setdefault("MPLCONFIGDIR", WRITABLE_DIR)
        os.environ.setdefault("MATPLOTLIBRC", str(SETTINGS_DIR))
    elif name == "matplotlib.font_manager":
        _provide_font_list()


def after(module: ModuleType) -> None:
    """Change `module`, which has just been imported."""
    if module.__name__ == "matplotlib.figure":
        _change_figure(module)
    elif module.__name__ == "matplotlib.pyplot":
        _change_pyplot(module)


def _provide_font_list() -> None:
    """Put the list made at build time where matplotlib looks for one.

    It would look at every font itself otherwise, which takes seconds at half a processor.
    """
    cache = Path(sys.modules["matplotlib"].get_cachedir())
    for font_list in SETTINGS_DIR.glob("fontlist-*.json"):
        # There already, or no room: matplotlib makes its own then, which is slow, not wrong.
        with contextlib.suppress(OSError):
            (cache / font_list.name).symlink_to(font_list)


def _change_figure(module: ModuleType) -> None:
    figure_class = module.Figure
    original = figure_class.savefig

    @functools.wraps(original)
    def savefig(self: Any, fname: Any, *args: Any, **kwargs: Any) -> Any:
        dpi = kwargs.get("dpi")
        if _is_above(dpi, MAX_DPI):
            kwargs["dpi"] = MAX_DPI
        result = original(self, fname, *args, **kwargs)
        # A figure written to memory is part of something else (a slide, a page): it has
        # not been shown to anybody yet.
        if isinstance(fname, (str, os.PathLike)):
            _saved.add(self)
        return result

    @functools.wraps(figure_class.show)
    def show(self: Any, *_args: Any, **_kwargs: Any) -> None:
        _save_once(self)
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close(self)

    figure_class.savefig = savefig
    figure_class.show = show


def _change_pyplot(module: Any) -> None:
    managers = sys.modules["matplotlib._pylab_helpers"].Gcf

    @functools.wraps(module.show)
    def show(*_args: Any, **_kwargs: Any) -> None:
        for number in sorted(managers.figs):
            _save_once(managers.figs[number].canvas.figure)
            module.close(number)

    @functools.wraps(module.pause)
    def pause(interval: float) -> None:
        # The original shows: a loop that redraws would write and close at its first step.
        time.sleep(interval)

    module.show = show
    module.pause = pause
    module.switch_backend = _with_fallback(module.switch_backend)


def _with_fallback(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Draw without a screen where a program asks for a window (`matplotlib.use("TkAgg")`)."""

    @functools.wraps(original)
    def switch_backend(newbackend: Any) -> None:
        if isinstance(newbackend, str):
            # What a window system that is not there raises; RuntimeError: WebAgg, nbAgg.
            with contextlib.suppress(ImportError, RuntimeError):
                return original(newbackend)
        return original("agg")  # No name at all means: whichever window system there is.

    return switch_backend


def _is_above(dpi: Any, limit: int) -> bool:
    # Numbers of every kind (numpy's too); not "figure", nor what matplotlib will refuse.
    return isinstance(dpi, Real) and float(dpi) > limit


def _save_once(figure: Any) -> None:
    global _shown  # noqa: PLW0603 - a count of this process
    if figure in _saved:
        return
    figure.savefig(f"plot_{_shown + 1}.png")
    _shown += 1
