"""Figures as SVG: text stays text, and the page's colours reach text, axes and grid."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from qsmstats.plot.look import EDGE, FAINT, GRID, INK, POINTS_PER_INCH

__all__ = ["columns_without_hole", "inline_svg", "label_lowest", "laid_out", "svg"]

# Attributes of SVG that hold lengths in points.
_LENGTHS = {"d", "transform", "x", "y", "width", "height"}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"font-family: [^;]+; ")
_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_PROLOG = '<?xml version="1.0" encoding="utf-8"?>\n'
# Control characters, which XML cannot hold.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Colours that a page may replace, as variables of CSS: --figure-ink and so on.
_VARIABLES = {
    EDGE.lower(): "edge",
    FAINT.lower(): "faint",
    GRID.lower(): "grid",
    "#ffffff": "paper",
}
_COLOUR = re.compile("|".join(_VARIABLES))
_PNG = "data:image/png;base64,"
# Colours of a point cloud, transparency counted; with more of them no eye sees a difference.
_COLOURS = 64
_FILL = re.compile("fill: ([^;]+)")
# On a page that is narrower, figures scroll: letters are no smaller than four fifths of 9.5 points.
_LEAST_SCALE = 0.8


def columns_without_hole(panels: int, most: int) -> int:
    """Return the number of columns: four panels stand two by two, others as many as there may be.

    Examples
    --------
    >>> columns_without_hole(4, 3), columns_without_hole(6, 3), columns_without_hole(1, 3)
    (2, 3, 1)
    """
    return 2 if panels == 4 and most > 1 else min(most, panels)


def label_lowest(panels: Sequence[Axes], columns: int, label: str = "") -> None:
    """Label the horizontal axis of the lowest panel of each column, and of no other.

    Parameters
    ----------
    panels
        Panels in use, line by line; the last line may be short.
    columns
        Number of columns.
    label
        Label of the axis; none where the figure carries it.
    """
    for index, axes in enumerate(panels):
        lowest = index + columns >= len(panels)
        axes.tick_params(labelbottom=lowest)
        if lowest:
            axes.set_xlabel(label)


def laid_out(figure: Figure) -> None:
    """Compute the layout of a figure once, for every format that it is then written in.

    `savefig` would draw everything once more, invisibly, to come to the same layout.
    """
    if (layout := figure.get_layout_engine()) is not None:
        dots, figure.dpi = figure.dpi, POINTS_PER_INCH
        layout.execute(figure)
        figure.set_layout_engine("none")
        figure.dpi = dots


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document; the same figure gives the same bytes.

    The document is parsed, not searched: names of a study stand in it, and may look like markup.

    Call within `drawing`: the settings for text and identifiers are read when saving.
    """
    buffer = io.BytesIO()
    laid_out(figure)
    canvas: Any = FigureCanvasSVG(figure)  # matplotlib gives `print_svg` no types
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    canvas.print_svg(buffer, metadata=metadata)
    document = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", buffer.getvalue().decode("utf-8"))
    root = ElementTree.fromstring(document)  # noqa: S314  (our own drawing)
    _lean(root)
    return _PROLOG + _markup(root)


def _markup(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK[1:-5])
    return ElementTree.tostring(root, encoding="unicode")


def _lean(root: ElementTree.Element) -> None:
    """Write the same drawing with fewer letters: it is a third of the page's size."""
    for part in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(part)
    values = [(name, value) for part in root.iter() for name, value in part.items()]
    # Most groups carry a name that nothing refers to, and texts a rotation by nothing.
    used = {
        found
        for name, value in values
        for found in re.findall(r"^#(.+)" if name == _LINK else r"url\(#([^)]+)\)", value)
    }
    # A marker carries its own line; what uses it repeats it.
    lined = {part.get("id") for part in root.iter() if "stroke" in part.get("style", "")}
    # Every text names the same letters; the outermost element says it once.
    font = next((found[0] for _, value in values if (found := _FONT.search(value))), "")
    if font:
        root.set("font-family", font.removeprefix("font-family: ").removesuffix("; "))
    for part in root.iter():
        if part.get("id") not in {None, *used}:
            del part.attrib["id"]
        if re.match(r"rotate\(-?0 ", part.get("transform", "")):
            del part.attrib["transform"]
        if "style" in part.attrib:
            part.set("style", part.attrib["style"].replace(font, ""))
        if part.get(_LINK, "").removeprefix("#") in lined:
            part.set("style", re.sub(r"(; |^)stroke[^;]*", "", part.get("style", "")))
        _shorten(part)
        part.text = "\n" if len(part) else part.text
        part.tail = "\n"
    _unwrap(root)


def _shorten(part: ElementTree.Element) -> None:
    """Write images with a palette, and lengths to a hundredth of a point: no printer has finer."""
    if part.get(_LINK, "").startswith(_PNG):
        part.set(_LINK, _few_colours(part.attrib[_LINK]))
    for name in _LENGTHS & part.attrib.keys():
        if part.attrib[name].startswith("matrix"):
            continue  # a scale, which many voxels multiply
        short = _LONG.sub(
            lambda length: f"{float(length[0]):.2f}".rstrip("0").rstrip("."), part.attrib[name]
        )
        part.set(name, " ".join(short.split()))


def _few_colours(source: str) -> str:
    """Return an image with a palette, at a quarter of its size; as it was where that is larger."""
    image = Image.open(io.BytesIO(base64.b64decode(source.removeprefix(_PNG))))
    buffer = io.BytesIO()
    image.quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(buffer, "PNG")
    return min(source, _PNG + base64.b64encode(buffer.getvalue()).decode("ascii"), key=len)


def _unwrap(parent: ElementTree.Element) -> None:
    """Take groups away that say nothing of what they hold."""
    for part in list(parent):
        _unwrap(part)
        if part.tag == f"{{{_SVG}}}g" and not part.attrib:
            place = list(parent).index(part)
            parent[place : place + 1] = list(part)


def inline_svg(document: str, slug: str, alt: str) -> str:
    """Turn an SVG document into an element of an HTML page.

    Parameters
    ----------
    document
        What `svg` returned. Its text, axes, grid and paper take the page's colours, where those
        define ``--figure-ink``, ``-edge``, ``-faint``, ``-grid`` and ``-paper``.
    slug
        Prefix of every identifier, so that figures on one page do not share them.
    alt
        What the figure shows, for those who do not see it.

    Returns
    -------
    str
        The ``<svg>`` element, without prolog and with role, label and scalable size.
    """
    root = ElementTree.fromstring(document)  # noqa: S314  (our own drawing)
    # The global rule of the document would reach the whole page.
    for part in root.iter():
        for rule in part.findall(f"{{{_SVG}}}style"):
            part.remove(rule)
    # Short names: the page repeats them thousands of times.
    figure = f"f{zlib.crc32(slug.encode()):x}"
    names = [part.get("id") for part in root.iter() if part.get("id")]
    short = {f"#{name}": f"#{figure}-{number}" for number, name in enumerate(names)}
    for part in root.iter():
        for name, value in part.items():
            if name == "style":
                part.set(name, _themed(value, text=part.tag == f"{{{_SVG}}}text"))
            elif name == "id":
                part.set(name, short[f"#{value}"][1:])
            elif name == _LINK:
                part.set(name, short.get(value, value))
            else:
                part.set(name, re.sub(r"(?<=url\()#[^)]+", lambda hit: short[hit[0]], value))
    width = float(root.get("width", "0pt").removesuffix("pt"))
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("width", f"{width * 4 / 3:.0f}")
    least = f"min-width: {_LEAST_SCALE * width * 4 / 3:.0f}px"
    ink = f"color: var(--figure-ink, {INK.lower()})"
    root.set("style", f"{ink}; stroke-linejoin: round; stroke-linecap: butt; {least}")
    return _markup(root).strip()


def _themed(style: str, *, text: bool) -> str:
    """Write colours that are the page's as its variables; text gets its fill as CSS colour too.

    Who judges contrast reads the colour of a text, not its fill. That of ink is the drawing's.
    """
    style = style.replace(INK.lower(), "currentColor")
    style = _COLOUR.sub(lambda hit: f"var(--figure-{_VARIABLES[hit[0]]}, {hit[0]})", style)
    fill = _FILL.search(style)
    if text and fill and fill[1] != "currentColor":
        style = f"{style}; color: {fill[1]}"
    return style
