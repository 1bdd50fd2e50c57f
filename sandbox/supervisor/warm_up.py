"""Uses what was preloaded once, so that no program pays for a first time.

Libraries import parts of themselves, read fonts and build tables when they are first used: of
a chart's first 300 ms that is the larger half. Nothing of it may be seen by a program: no open
figure, no file, no number drawn from a generator that it shares.
"""

import importlib
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

_TABLE = "day,kind,amount\n2026-01-01,a,1.5\n2026-01-02,b,2\n2026-01-03,a,\n"


def _use_pandas() -> None:
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.read_csv(io.StringIO(_TABLE), parse_dates=["day"])
    by_kind = frame.groupby("kind")["amount"].agg(["sum", "mean"]).reset_index()
    merged = frame.merge(by_kind, on="kind").sort_values("amount")
    for shown in (merged, merged["amount"], merged.describe()):
        repr(shown)
    merged.to_csv(io.StringIO(), index=False)
    merged.to_json(orient="records")


def _use_pyplot() -> None:
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, (left, right) = pyplot.subplots(1, 2)
    left.plot([1, 2, 3], [1.5, -2.0, 1e3], marker="o", label="$x^2$")
    left.set_title("title")
    left.legend()
    left.grid(visible=True)
    right.bar(["a", "b"], [1, 2])
    right.hist([1, 1, 2])
    figure.tight_layout()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)


WARM_UPS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {"pandas": _use_pandas, "matplotlib.pyplot": _use_pyplot}
)
"""What to do with a module once all of them are loaded."""
