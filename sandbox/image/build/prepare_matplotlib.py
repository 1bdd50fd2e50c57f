"""While the image is built: makes matplotlib's list of fonts, and tries its settings.

A sandbox's root is read-only and its processor half a one; looking at every font at the
first chart would take seconds of the program's time, in every single run.
"""

import dataclasses
import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SETTINGS_DIR = Path("/opt/code-command/matplotlib")
WEIGHTS = range(100, 1000, 100)


def main() -> int:
    """Write `fontlist-*.json` beside `matplotlibrc`.

    Returns:
        1, with a line on standard error, if the settings name a font that no package brings:
        matplotlib would then complain in every program's output.
    """
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MPLCONFIGDIR"] = cache
        # Now, since it reads the variable when it is imported; and it is in the image alone.
        settings: Any = importlib.import_module("matplotlib").rcParams
        fonts: Any = importlib.import_module("matplotlib.font_manager")
        families = [*settings["font.family"], settings["font.sans-serif"][0]]
        families.remove("sans-serif")
        for missing in set(families) - set(fonts.get_font_names()):
            sys.stderr.write(
                f"sandbox/image/matplotlib/matplotlibrc names the font {missing!r}, which no "
                f"package of sandbox/packages/apt.txt installs.\n"
            )
            return 1
        for family in families:
            complete_weights(fonts.fontManager, family)
        name = next(Path(cache).glob("fontlist-*.json")).name
        fonts.json_dump(fonts.fontManager, SETTINGS_DIR / name)
    return 0


def complete_weights(manager: Any, family: str) -> None:
    """Let every weight that `family` lacks be drawn with the nearest one that it has.

    matplotlib does so too, but writes a line to standard error about it, for every bold
    title even when no glyph of the fallback font is used.
    """
    entries = [entry for entry in manager.ttflist if entry.name == family]
    has = {weight_of(entry) for entry in entries}
    for weight in set(WEIGHTS) - has:
        nearest = min(has, key=lambda known, wanted=weight: abs(known - wanted))
        manager.ttflist += [
            dataclasses.replace(entry, weight=weight)
            for entry in entries
            if weight_of(entry) == nearest
        ]


def weight_of(entry: Any) -> int:
    """Return a font's weight as a number; matplotlib has names for the two usual ones."""
    named = {"normal": 400, "bold": 700}
    return named[entry.weight] if entry.weight in named else int(entry.weight)


sys.exit(main())
