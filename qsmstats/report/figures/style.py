"""How every figure looks: one colour and one marker per lesion type, sizes, panels, SVG as text.

Colours are those of Okabe and Ito (2008, "Color universal design"), which stay apart for the three
common kinds of colour blindness; a marker per type says the same again without colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from qsmstats.errors import UsageError
from qsmstats.report.wording.names import lesion_types, schemas_in_use

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

__all__ = [
    "PHONE",
    "STYLES",
    "Style",
    "colour",
    "columns_without_hole",
    "drawing",
    "figure_style",
    "inline_svg",
    "is_narrow",
    "label_lowest",
    "marker",
    "svg",
]

_PALETTE = ("#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#E3D500", "#882255")
# Two or three types of a study's own get those that differ most.
_OWN_PALETTE = tuple(_PALETTE[place] for place in (0, 4, 3, 5, 2, 1, 6, 7))
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_GREYS = {"nawm": "#8C8C8C", "hc_white_matter": "#333333"}
OTHER = "#666666"
INK = "#1A1A1A"
# Below this width, in letter heights, panels stand below one another.
NARROW_EM = 40.0
# Attributes of SVG that hold lengths in points.
_LENGTHS = {"d", "transform", "x", "y", "width", "height"}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"font-family: [^;]+; ")
_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
# Dots per inch of SVG, which is measured in points.
POINTS = 72.0
_PROLOG = '<?xml version="1.0" encoding="utf-8"?>\n'
# Control characters, which XML cannot hold.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Width and letter size of figures.

    Attributes
    ----------
    width
        Width in inches; figures that need more room (forests) keep it and grow in height.
    font_size
        Letter size in points.
    dpi
        Dots per inch of point clouds and faint lines, which are drawn as pixels.
    """

    width: float
    font_size: float
    dpi: int = 200


# Widths of journal columns: 1, 1.5 and 2 columns of a 178 mm page.
STYLES = {
    "screen": Style(width=7.0, font_size=9.5),
    "single": Style(width=86 / 25.4, font_size=6.5),
    "onehalf": Style(width=120 / 25.4, font_size=7.5),
    "double": Style(width=178 / 25.4, font_size=8.5),
}
# Of the page's second drawing of each figure, for screens of 390 pixels less the margins.
PHONE = Style(width=3.65, font_size=9.5, dpi=150)


def figure_style(name: str) -> Style:
    """Return the style called `name`.

    Raises
    ------
    UsageError
        If there is no such style.
    """
    if name not in STYLES:
        raise UsageError(f"style '{name}' is not available; use one of {', '.join(STYLES)}")
    return STYLES[name]


def colour(level: str) -> str:
    """Return the colour of a level: that of its lesion type, grey for white matter.

    A colour that the study declares for a type is for that type alone.
    """
    if level in _GREYS:
        return _GREYS[level]
    types = schemas_in_use().types
    own = {name: one.colour.upper() for name, one in types.items() if one.colour}
    free = [one for one in (_OWN_PALETTE if types else _PALETTE) if one not in own.values()]
    others = [name for name in lesion_types() if name not in own]
    if level in others:
        return free[others.index(level) % len(free)]
    return own.get(level, OTHER)


def marker(level: str) -> str:
    """Return the marker of a level, so that colour is never the only sign."""
    types = lesion_types()
    return _MARKERS[types.index(level) % len(_MARKERS)] if level in types else "o"


@contextmanager
def drawing(style: Style) -> Iterator[None]:
    """Within, figures are drawn and saved in `style`; matplotlib's settings return afterwards."""
    size = style.font_size
    settings: dict[RcKeyType, Any] = {
        "font.family": "sans-serif",
        # The first is bundled with matplotlib, so that the layout is the same everywhere.
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
        "font.size": size,
        "axes.titlesize": size,
        "axes.labelsize": size,
        "xtick.labelsize": size * 0.92,
        "ytick.labelsize": size * 0.92,
        "legend.fontsize": size * 0.92,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#555555",
        "axes.linewidth": 0.7,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.unicode_minus": True,
        # Dollar signs in names of a study are no formulas.
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "qsmstats",
        "pdf.fonttype": 42,
        "figure.dpi": style.dpi,
        "savefig.dpi": style.dpi,
    }
    with mpl.rc_context(settings):
        yield


def is_narrow(drawn: Figure | Axes) -> bool:
    """Return whether a figure is too narrow for panels beside one another at its letter size.

    Call within `drawing`, with the figure or one of its axes. True for phones and for a single
    column of a journal.
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    if figure is None:
        return False
    return bool(figure.get_figwidth() * POINTS / mpl.rcParams["font.size"] < NARROW_EM)


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


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document; the same figure gives the same bytes.

    The document is parsed, not searched: names of a study stand in it, and may look like markup.

    Call within `drawing`: the settings for text and identifiers are read when saving.
    """
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasSVG(figure)  # matplotlib gives `print_svg` no types
    if (layout := figure.get_layout_engine()) is not None:
        # `savefig` would draw everything once more, invisibly, to come to the same layout.
        dots, figure.dpi = figure.dpi, POINTS
        layout.execute(figure)
        figure.set_layout_engine("none")
        figure.dpi = dots
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
        # A hundredth of a point is finer than any screen or printer.
        for name in _LENGTHS & part.attrib.keys():
            short = _LONG.sub(
                lambda length: f"{float(length[0]):.2f}".rstrip("0").rstrip("."), part.attrib[name]
            )
            part.set(name, " ".join(short.split()))
        part.text = "\n" if len(part) else part.text
        part.tail = "\n"


def inline_svg(document: str, slug: str, alt: str) -> str:
    """Turn an SVG document into an element of an HTML page.

    Parameters
    ----------
    document
        What `svg` returned.
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
    for part in root.iter():
        for name, value in part.items():
            if name == "id":
                part.set(name, f"{slug}-{value}")
            elif name == _LINK:
                part.set(name, re.sub("^#", f"#{slug}-", value))
            else:
                part.set(name, value.replace("url(#", f"url(#{slug}-"))
    width = float(root.get("width", "0pt").removesuffix("pt"))
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("width", f"{width * 4 / 3:.0f}")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    return _markup(root).strip()
