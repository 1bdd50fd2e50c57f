# ruff: noqa: INP001, PLR0913 - in the sandbox this folder is on the path, it is no package;
# and keyword arguments are what a call in one line consists of.
"""Charts in a clean house style, in one call each.

    import chart_helpers as charts

    fig, ax = charts.bar(["North", "South"], [12.5, 9.1], title="Sales", unit="M€")
    fig.savefig("sales.png")

Every function draws one figure and returns `(figure, axes)`, so that anything can be changed
afterwards. Titles stand at the left and say what the chart shows; values stand beside the
marks where there are few; lines are named at their ends rather than in a legend.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

Drawn = tuple[Figure, Axes]
Numbers = Sequence[float]
Series = Numbers | Mapping[str, Numbers]
Size = tuple[float, float]

BLUE, TEAL, AMBER, CORAL, VIOLET, SLATE = PALETTE = (
    "#2f6fed",
    "#12a594",
    "#f0a020",
    "#e5484d",
    "#8e4ec6",
    "#697386",
)
"""Told apart by readers with the usual colour blindness when used in this order."""
INK, FAINT, GRID = "#1f2a44", "#697386", "#e3e7ee"
SCALE = LinearSegmentedColormap.from_list("house", ["#f4f7fe", "#9dbcf8", BLUE, "#173a80"])
"""For heat maps: light is little."""

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": FAINT,
    "axes.prop_cycle": plt.cycler(color=PALETTE),
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.15,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.15,
    "figure.figsize": (8, 4.5),
    "font.size": 11,
    "grid.color": GRID,
    "legend.frameon": False,
    "lines.linewidth": 2.4,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.major.size": 0,
    "ytick.color": FAINT,
    "ytick.major.size": 0,
}
_VALUES_SHOWN_UP_TO = 15
_DARK_FROM = 0.55
_THOUSANDS_FROM = 1e4


def use_house_style() -> None:
    """Draw whatever comes after this call in the house style, pyplot's own charts too."""
    plt.rcParams.update(STYLE)


def bar(
    labels: Iterable[object],
    values: Series,
    *,
    title: str = "",
    subtitle: str = "",
    unit: str = "",
    highlight: object = None,
    horizontal: bool = False,
    size: Size | None = None,
) -> Drawn:
    """One bar a label. `values` may be a dict of series: then the bars stand in groups.

    Args:
        labels: The names below the bars.
        values: A list of numbers, or `{"2025": [...], "2026": [...]}`.
        title: What the chart shows.
        subtitle: A second, quieter line.
        unit: Written after each value: "%", "M€".
        highlight: The label of one bar to bring out; the others turn grey.
        horizontal: Bars from left to right, the first one on top; for long names.
        size: Inches, (width, height).
    """
    series = values if isinstance(values, Mapping) else {"": values}
    names = [str(label) for label in labels]
    with plt.rc_context({**STYLE, "axes.grid.axis": "x" if horizontal else "y"}):
        fig, ax = plt.subplots(figsize=size)
        width = 0.72 / len(series)
        for index, (group, numbers) in enumerate(series.items()):
            offset = (index - (len(series) - 1) / 2) * width
            at = [place + offset for place in range(len(names))]
            colours = _bar_colours(names, index, highlight, alone=len(series) == 1)
            draw = ax.barh if horizontal else ax.bar
            bars = draw(at, list(numbers), width * 0.94, color=colours, label=group)
            if len(names) * len(series) <= _VALUES_SHOWN_UP_TO:
                texts = [format_number(number, unit) for number in numbers]
                ax.bar_label(bars, texts, padding=4, color=INK, fontsize=10)
        if horizontal:
            ax.set_yticks(range(len(names)), names)
            ax.invert_yaxis()
        else:
            ax.set_xticks(range(len(names)), names)
        _number_axis(ax.xaxis if horizontal else ax.yaxis, unit)
        if len(series) > 1:
            ax.legend(ncols=len(series), loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
        ax.margins(**{"x" if horizontal else "y": 0.12})
        _head(ax, title, subtitle)
    return fig, ax


def line(
    x: Iterable[Any],
    series: Series,
    *,
    title: str = "",
    subtitle: str = "",
    unit: str = "",
    fill: bool = False,
    size: Size | None = None,
) -> Drawn:
    """One line a series, named at its end. `series` is a dict, or one list of numbers."""
    named = series if isinstance(series, Mapping) else {"": series}
    across = list(x)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=size)
        ends: list[tuple[float, str, Any]] = []
        for name, numbers in named.items():
            (drawn,) = ax.plot(across, list(numbers), marker="o" if len(across) == 1 else None)
            ends.append((list(numbers)[-1], str(name), drawn.get_color()))
            if fill:
                ax.fill_between(
                    across, list(numbers), color=drawn.get_color(), alpha=0.12, linewidth=0
                )
        _number_axis(ax.yaxis, unit)
        _name_ends(ax, across[-1], ends)
        _head(ax, title, subtitle)
    return fig, ax


def scatter(
    x: Numbers,
    y: Numbers,
    *,
    names: Sequence[object] = (),
    title: str = "",
    subtitle: str = "",
    x_label: str = "",
    y_label: str = "",
    size: Size | None = None,
) -> Drawn:
    """One point a pair; `names`, if given, stand beside the points."""
    with plt.rc_context({**STYLE, "axes.grid.axis": "both"}):
        fig, ax = plt.subplots(figsize=size)
        ax.scatter(x, y, s=52, alpha=0.8, edgecolors="white", linewidths=0.8)
        for across, up, name in zip(x, y, names, strict=False):
            place: Any = {"xytext": (7, 4), "textcoords": "offset points"}
            ax.annotate(str(name), (across, up), fontsize=9, color=FAINT, **place)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        _head(ax, title, subtitle)
    return fig, ax


def histogram(
    values: Iterable[float],
    *,
    bins: int | str = "auto",
    title: str = "",
    subtitle: str = "",
    x_label: str = "",
    size: Size | None = None,
) -> Drawn:
    """How often values occur, with the median marked."""
    ordered = sorted(values)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=size)
        ax.hist(ordered, bins=bins, color=BLUE, edgecolor="white", linewidth=1)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        ax.axvline(middle, color=AMBER, linewidth=2)
        place: Any = {"xytext": (6, 0), "textcoords": "offset points", "va": "top"}
        top: Any = ("data", "axes fraction")
        text = f"median {format_number(middle)}"
        ax.annotate(text, (middle, 1), xycoords=top, color=INK, fontsize=10, **place)
        ax.set_xlabel(x_label)
        _head(ax, title, subtitle)
    return fig, ax


def donut(
    labels: Sequence[object],
    values: Numbers,
    *,
    title: str = "",
    subtitle: str = "",
    centre: str = "",
    size: Size | None = None,
) -> Drawn:
    """Parts of a whole; beyond five or six parts `bar(horizontal=True)` reads better."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=size)
        ring = {"width": 0.36, "edgecolor": "white", "linewidth": 2}
        wedges = ax.pie(list(values), startangle=90, counterclock=False, wedgeprops=ring)[0]
        total = sum(values)
        parts = zip(labels, values, strict=True)
        texts = [f"{name}  {part / total:.0%}" for name, part in parts]
        ax.legend(wedges, texts, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=11)
        ax.text(0, 0, str(centre), ha="center", va="center", fontsize=18, fontweight="bold")
        _head(ax, title, subtitle)
    return fig, ax


def heatmap(
    rows: Sequence[object],
    columns: Sequence[object],
    values: Sequence[Numbers],
    *,
    title: str = "",
    subtitle: str = "",
    unit: str = "",
    size: Size | None = None,
) -> Drawn:
    """A table in colours: `values[row][column]`, with the numbers written in."""
    with plt.rc_context({**STYLE, "axes.grid": False, "axes.spines.bottom": False}):
        fig, ax = plt.subplots(figsize=size)
        image = ax.imshow(values, cmap=SCALE, aspect="auto")
        ax.set_xticks(range(len(columns)), [str(name) for name in columns])
        ax.set_yticks(range(len(rows)), [str(name) for name in rows])
        for row, numbers in enumerate(values):
            for column, number in enumerate(numbers):
                ink = "white" if image.norm(number) > _DARK_FROM else INK
                text = format_number(number, unit)
                ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=10)
        _head(ax, title, subtitle)
    return fig, ax


def format_number(number: float, unit: str = "") -> str:
    """Write a number briefly: 1234567 as 1.2M, 0.5 as 0.5; the unit follows."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= (_THOUSANDS_FROM if letter == "k" else size):
            return f"{number / size:,.1f}".removesuffix(".0") + letter + unit
    text = f"{number:,.0f}" if float(number).is_integer() else f"{number:,.3g}"
    return f"{text}{unit}"


def _bar_colours(
    labels: Sequence[str], index: int, highlight: object, *, alone: bool
) -> list[str]:
    if highlight is not None and alone:
        return [BLUE if label == str(highlight) else "#c3cad6" for label in labels]
    return [PALETTE[index % len(PALETTE)]] * len(labels)


def _number_axis(axis: Any, unit: str) -> None:
    def name(number: float, _position: int) -> str:
        # 5k below 10k, though a 5,000 that stands alone is written out.
        in_thousands = _THOUSANDS_FROM <= max(map(abs, axis.get_view_interval())) < 1e6  # noqa: PLR2004
        if in_thousands and number:
            return f"{number / 1e3:g}k{unit}"
        return format_number(number, unit)

    axis.set_major_formatter(name)


def _name_ends(ax: Any, x: Any, ends: list[tuple[float, str, Any]]) -> None:
    """Write each line's name beside its last point, apart where lines end close together."""
    low, high = ax.get_ylim()
    gap, last = (high - low) * 0.06, None
    for y, name, colour in sorted(ends):
        place = y if last is None else max(y, last + gap)
        last = place
        if name:
            style = {"color": colour, "va": "center", "fontweight": "bold", "fontsize": 10}
            offset = {"xytext": (8, 0), "textcoords": "offset points"}
            ax.annotate(name, (x, place), annotation_clip=False, **style, **offset)
    ax.set_ylim(low, high)


def _head(ax: Any, title: str, subtitle: str) -> None:
    if title:
        above = 26 if subtitle else 12
        ax.set_title(title, loc="left", fontsize=15, fontweight="bold", pad=above)
    if subtitle:
        place = {"xytext": (0, 9), "textcoords": "offset points"}
        ax.annotate(subtitle, (0, 1), xycoords="axes fraction", color=FAINT, **place)
