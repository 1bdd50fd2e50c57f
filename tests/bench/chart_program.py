"""The program that draws the chart, in a sandbox: it is the product's own work.

Its input is `chart.json`, as `chart.py` writes it; its output is `benchmarks.png`.
"""

SOURCE = r"""
import json

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

INK, FAINT, GRID, MARK = "#1f2328", "#59636e", "#d8dee4", "#cf222e"
COLOURS = {"docker": "#1f6feb", "oci": "#1a7f37"}
BASELINE = "#b6bec8"
THICK = 0.26
BETWEEN = 0.38
TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000)

with open("chart.json") as file:
    data = json.load(file)
engines, rows = data["engines"], data["rows"]


def written(ms):
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def bar(value, y, colour):
    axes.barh(y, value - left, THICK * 0.9, left=left, color=colour)


plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK})
bars = len(engines) + 1
step = bars * THICK + BETWEEN
height = 1.35 + 0.62 * step * len(rows)
figure, axes = plt.subplots(figsize=(9, height), dpi=160)
axes.set_xscale("log")
largest = max(value for row in rows for value in [*row["ours"].values(), row["baseline"]])
left = min(value for row in rows for value in row["ours"].values()) / 2.2

for number, row in enumerate(rows):
    for place, engine in enumerate(engines):
        if engine not in row["ours"]:
            continue
        value, y = row["ours"][engine], number * step + place * THICK
        bar(value, y, COLOURS[engine])
        note = f"  {written(value)}"
        times = row["baseline"] / value
        if times >= 1.05:
            note += f"   {times:.3g}\u00d7 faster"
        mark = row["targets"].get(engine)
        # Beside the mark of the target, never through it.
        end = mark if mark and value < mark < value * 5 else value
        axes.text(end, y, note, va="center", weight="bold", size=9.5)
        if mark:
            axes.plot([mark] * 2, [y - THICK * 0.55, y + THICK * 0.55], color=MARK, lw=2)
    y = number * step + len(engines) * THICK
    bar(row["baseline"], y, BASELINE)
    note = f"  {written(row['baseline'])}"
    axes.text(row["baseline"], y, note, va="center", color=FAINT, size=9.5)

middle = (bars - 1) * THICK / 2
axes.set_yticks([number * step + middle for number in range(len(rows))])
axes.set_yticklabels([row["name"] for row in rows], size=10.5)
axes.set_ylim((len(rows) - 1) * step + bars * THICK, -THICK)
axes.set_xlim(left, largest * 2.6)
ticks = [tick for tick in TICKS if left < tick < largest * 2.6]
axes.set_xticks(ticks)
axes.set_xticklabels([written(tick) for tick in ticks], color=FAINT)
axes.minorticks_off()
axes.tick_params(length=0)
axes.grid(axis="x", color=GRID, lw=0.8)
axes.set_axisbelow(True)
for side in axes.spines.values():
    side.set_visible(False)

handles = [Patch(color=COLOURS[engine], label=data["labels"][engine]) for engine in engines]
handles.append(Patch(color=BASELINE, label=data["baseline"]))
handles.append(Line2D([], [], color=MARK, marker="|", ls="none", ms=11, mew=2, label="target"))
figure.text(0.015, 1 - 0.12 / height, data["title"], va="top", size=13, weight="bold")
figure.legend(
    handles=handles,
    loc="upper left",
    bbox_to_anchor=(0.008, 1 - 0.36 / height),
    ncol=len(handles),
    frameon=False,
    fontsize=9.5,
    handlelength=1.2,
    columnspacing=1.6,
)
figure.text(0.015, 0.1 / height, data["footnote"], color=FAINT, size=8)
figure.tight_layout(rect=(0, 0.25 / height, 1, 1 - 0.7 / height))
figure.savefig("benchmarks.png", facecolor="white")
"""
