"""Draws `shared_assets/templates/presentation.pptx`, so that nobody edits it by hand.

    python -m infra.presentation_template shared_assets/templates/presentation.pptx

python-pptx brings an empty 4:3 presentation; its master, layouts and theme are replaced here
by our own 16:9 ones, in the colours of `shared_assets/utils/chart_helpers.py`. The same
versions give the same bytes.
"""

import io
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pptx
from pptx.util import Inches

from infra.presentation_xml import Box, Layout, Place, layout_part, master_part, theme_part

WIDTH, HEIGHT = 13.333, 7.5
WHEN = datetime(2026, 1, 1, tzinfo=UTC)

COLOURS = {
    "dk1": "1F2A44",
    "lt1": "FFFFFF",
    "dk2": "173A80",
    "lt2": "F4F6FA",
    "accent1": "2F6FED",
    "accent2": "12A594",
    "accent3": "F0A020",
    "accent4": "E5484D",
    "accent5": "8E4EC6",
    "accent6": "697386",
    "hlink": "2F6FED",
    "folHlink": "8E4EC6",
}
FONT = "Arial"
"""On every machine that shows slides; the sandbox's Liberation Sans has the same widths."""


def _title() -> Place:
    box = (0.75, 0.62, 11.83, 0.85)
    return Place(kind="title", index=0, prompt="The point in one line", box=box, anchor="ctr")


def _cover(kind: str, prompt: str, box: Box, size_pt: int) -> Place:
    return Place(
        kind=kind, index=0, prompt=prompt, box=box, size_pt=size_pt, colour="bg1", anchor="b"
    )


def _below(kind: str, prompt: str, box: Box) -> Place:
    return Place(
        kind=kind, index=1, prompt=prompt, box=box, size_pt=20, colour="bg2", bullets=False
    )


def _part(index: int, kind: str, prompt: str, box: Box) -> Place:
    return Place(kind=kind, index=index, prompt=prompt, box=box, bullets=kind == "obj")


def _remark(box: Box) -> Place:
    return Place(kind="body", index=2, prompt="What it shows", box=box, size_pt=16)


_MARK = ("rect", (0.85, 0.45, 0.62, 0.075), "accent1")
_WIDE: Box = (0.75, 1.75, 11.83, 4.85)
_LEFT: Box = (0.75, 1.75, 5.75, 4.85)
_RIGHT: Box = (6.83, 1.75, 5.75, 4.85)
_LEFT_LARGE: Box = (0.75, 1.75, 7.85, 4.85)
_RIGHT_SMALL: Box = (8.9, 1.75, 3.68, 4.85)

MASTER = (_title(), Place(kind="body", index=1, prompt="Text", box=_WIDE))
LAYOUTS = (
    Layout(
        "Title",
        (
            _cover("ctrTitle", "Title", (0.9, 1.9, 8.6, 2.1), 44),
            _below("subTitle", "Subtitle", (0.9, 4.5, 8.2, 1.1)),
        ),
        (
            ("ellipse", (8.9, -1.5, 6.6, 6.6), "accent1:55"),
            ("ellipse", (11.0, 3.7, 4.4, 4.4), "accent2:70"),
            ("rect", (1.0, 4.2, 1.1, 0.075), "accent3"),
        ),
        background="tx1",
        numbered=False,
    ),
    Layout(
        "Section",
        (
            _cover("title", "Section", (0.9, 2.3, 10.5, 1.5), 38),
            _below("body", "What it is about", (0.9, 4.2, 9.5, 1.2)),
        ),
        (
            ("rect", (1.0, 3.95, 1.1, 0.075), "accent3"),
            ("ellipse", (10.6, 4.2, 5.2, 5.2), "bg1:12"),
        ),
        background="accent1",
    ),
    Layout("Content", (_title(), _part(1, "obj", "Text, table or chart", _WIDE)), (_MARK,)),
    Layout(
        "Two columns",
        (_title(), _part(1, "obj", "Left", _LEFT), _part(2, "obj", "Right", _RIGHT)),
        (_MARK,),
    ),
    Layout("Chart", (_title(), _part(1, "chart", "Chart", _WIDE)), (_MARK,)),
    Layout(
        "Chart and text",
        (_title(), _part(1, "chart", "Chart", _LEFT_LARGE), _remark(_RIGHT_SMALL)),
        (_MARK, ("rect", (8.72, 1.85, 0.025, 4.65), "accent6:35")),
    ),
    Layout(
        "Picture and text",
        (_title(), _part(1, "pic", "Picture", _LEFT_LARGE), _remark(_RIGHT_SMALL)),
        (_MARK,),
    ),
    Layout("Title only", (_title(),), (_MARK,)),
    Layout("Blank", ()),
)


def build() -> bytes:
    """Return the presentation."""
    presentation = pptx.Presentation()
    presentation.slide_width, presentation.slide_height = Inches(WIDTH), Inches(HEIGHT)
    layouts = presentation.slide_layouts
    for surplus in list(layouts)[len(LAYOUTS) :]:
        layouts.remove(surplus)
    about = presentation.core_properties
    about.author = about.last_modified_by = "Code Command"
    about.title, about.created, about.modified = "Presentation", WHEN, WHEN
    parts = {
        str(layout.part.partname).lstrip("/"): layout_part(ours)
        for layout, ours in zip(layouts, LAYOUTS, strict=True)
    }
    plain = io.BytesIO()
    presentation.save(plain)
    return _replace(plain, parts)


def _replace(plain: io.BytesIO, parts: Mapping[str, str]) -> bytes:
    """Copy a package, with `parts` in place of what they name, and no time of day."""
    result = io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name in parts:
                content = parts[name].encode()
            elif name == "ppt/slideMasters/slideMaster1.xml":
                content = master_part(content.decode(), MASTER).encode()
            elif name == "ppt/theme/theme1.xml":
                content = theme_part(content.decode(), COLOURS, FONT).encode()
            entry = zipfile.ZipInfo(name, WHEN.timetuple()[:6])
            target.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return result.getvalue()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build())
