"""Writes the parts of a presentation that python-pptx has no calls for: PresentationML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EMU_PER_INCH = 914_400

Box = tuple[float, float, float, float]
"""Left, top, width and height in inches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A placeholder: where a slide of this layout takes its text, chart or picture."""

    kind: str
    index: int
    prompt: str
    box: Box
    size_pt: int = 0
    """0: as the master says."""
    colour: str = ""
    """Empty: as the master says."""
    anchor: str = "t"
    bullets: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of slide."""

    name: str
    places: Sequence[Place]
    shapes: Sequence[tuple[str, Box, str]] = ()
    """Decoration: geometry, place, fill (`accent1`, or `accent1:40` for 40 % opaque)."""
    background: str = "bg1"
    numbered: bool = True


_NAMESPACES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
)
_GROUP = (
    '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def theme_part(xml: str, colours: Mapping[str, str], font: str) -> str:
    """Return the theme `xml` with other colours and one font."""
    listed = "".join(
        f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in colours.items()
    )
    xml = re.sub(
        r"<a:clrScheme .*?</a:clrScheme>",
        f'<a:clrScheme name="Code Command">{listed}</a:clrScheme>',
        xml,
        flags=re.DOTALL,
    )
    return re.sub(r'<a:latin typeface="[^"+]*"', f'<a:latin typeface="{font}"', xml)


def layout_part(layout: Layout) -> str:
    """Return the whole part of a layout."""
    shapes = [_decoration(*shape) for shape in layout.shapes]
    shapes += [_placeholder(place) for place in layout.places]
    if layout.numbered:
        shapes.append(_slide_number("bg1" if layout.background != "bg1" else "accent6"))
    return (
        f'{_HEAD}<p:sldLayout {_NAMESPACES} preserve="1" userDrawn="1">'
        f'<p:cSld name="{layout.name}">{_background(layout.background)}{_tree(shapes)}</p:cSld>'
        "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sldLayout>"
    )


def master_part(xml: str, places: Sequence[Place]) -> str:
    """Return the master `xml` with other placeholders and text styles."""
    shapes = [_placeholder(place) for place in places]
    xml = re.sub(
        r"<p:cSld>.*</p:cSld>",
        f"<p:cSld>{_background('bg1')}{_tree(shapes)}</p:cSld>",
        xml,
        flags=re.DOTALL,
    )
    return re.sub(r"<p:txStyles>.*</p:txStyles>", _text_styles(), xml, flags=re.DOTALL)


def _text_styles() -> str:
    title = _text_style(1, 28, 0, "", 'b="1"')
    body = "".join(
        _text_style(level, size, 0.28 * level, "&#8226;" if level % 2 else "&#8211;")
        for level, size in enumerate((20, 18, 16, 14, 14), start=1)
    )
    return (
        f"<p:txStyles><p:titleStyle>{title}</p:titleStyle><p:bodyStyle>{body}</p:bodyStyle>"
        "<p:otherStyle/></p:txStyles>"
    )


def _text_style(level: int, size: int, indent: float, bullet: str, more: str = "") -> str:
    mark = (
        f'<a:buClr><a:schemeClr val="accent1"/></a:buClr><a:buFont typeface="+mj-lt"/>'
        f'<a:buChar char="{bullet}"/>'
    )
    hanging = -_emu(0.28) if bullet else 0
    return (
        f'<a:lvl{level}pPr marL="{_emu(indent)}" indent="{hanging}" algn="l">'
        '<a:lnSpc><a:spcPct val="100000"/></a:lnSpc>'
        f'<a:spcBef><a:spcPts val="{900 if bullet else 0}"/></a:spcBef>'
        f"{mark if bullet else '<a:buNone/>'}"
        f'<a:defRPr sz="{size * 100}" {more}>{_fill("tx1")}'
        '<a:latin typeface="+mn-lt"/></a:defRPr>'
        f"</a:lvl{level}pPr>"
    )


def _tree(shapes: Sequence[str]) -> str:
    numbered = (shape.replace("ID", str(at), 1) for at, shape in enumerate(shapes, start=2))
    return f"<p:spTree>{_GROUP}{''.join(numbered)}</p:spTree>"


def _background(colour: str) -> str:
    return f"<p:bg><p:bgPr>{_fill(colour)}<a:effectLst/></p:bgPr></p:bg>"


def _fill(colour: str) -> str:
    name, _, percent = colour.partition(":")
    opacity = f'<a:alpha val="{int(percent) * 1000}"/>' if percent else ""
    return f'<a:solidFill><a:schemeClr val="{name}">{opacity}</a:schemeClr></a:solidFill>'


def _emu(inches: float) -> int:
    return round(inches * EMU_PER_INCH)


def _frame(box: Box) -> str:
    left, top, width, height = map(_emu, box)
    return f'<a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'


def _decoration(geometry: str, box: Box, fill: str) -> str:
    return (
        '<p:sp><p:nvSpPr><p:cNvPr id="ID" name="Decoration"/><p:cNvSpPr/>'
        f'<p:nvPr userDrawn="1"/></p:nvSpPr><p:spPr>{_frame(box)}'
        f'<a:prstGeom prst="{geometry}"><a:avLst/></a:prstGeom>{_fill(fill)}'
        "<a:ln><a:noFill/></a:ln></p:spPr></p:sp>"
    )


def _placeholder(place: Place) -> str:
    kind = "" if place.kind == "obj" else f'type="{place.kind}"'
    number = f'idx="{place.index}"' if place.index else ""
    run = f'sz="{place.size_pt * 100}"' if place.size_pt else ""
    colour = _fill(place.colour) if place.colour else ""
    plain = ('marL="0" indent="0"', "<a:buNone/>") if not place.bullets else ("", "")
    level = f"<a:lvl1pPr {plain[0]}>{plain[1]}<a:defRPr {run}>{colour}</a:defRPr></a:lvl1pPr>"
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="ID" name="{place.prompt}"/>'
        '<p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
        f"<p:nvPr><p:ph {kind} {number}/></p:nvPr></p:nvSpPr>"
        f'<p:spPr>{_frame(place.box)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr>'
        f'<p:txBody><a:bodyPr anchor="{place.anchor}"><a:normAutofit/></a:bodyPr>'
        f"<a:lstStyle>{level}</a:lstStyle>"
        f"<a:p><a:r><a:rPr/><a:t>{place.prompt}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def _slide_number(colour: str) -> str:
    """Draw the number as a field of the layout: a placeholder would have to be copied."""
    style = f'<a:rPr lang="en-US" sz="1000">{_fill(colour)}</a:rPr>'
    return (
        '<p:sp><p:nvSpPr><p:cNvPr id="ID" name="Slide number"/><p:cNvSpPr txBox="1"/>'
        f'<p:nvPr userDrawn="1"/></p:nvSpPr><p:spPr>{_frame((11.58, 6.93, 1.0, 0.3))}'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:noFill/></p:spPr>'
        '<p:txBody><a:bodyPr anchor="ctr"/><a:lstStyle/><a:p><a:pPr algn="r"/>'
        f'<a:fld id="{{C1FF6DA9-008F-8B48-92A6-B652298478BF}}" type="slidenum">{style}'
        "<a:t>&#8249;#&#8250;</a:t></a:fld></a:p></p:txBody></p:sp>"
    )
