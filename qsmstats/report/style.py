"""How every figure looks: one colour and one marker per lesion type, sizes, and SVG as text.

Colours are those of Okabe and Ito (2008, "Color universal design"), which stay apart for the three
common kinds of colour blindness; a marker per type says the same again without colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from qsmstats.errors import UsageError
from qsmstats.report.names import lesion_types

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

__all__ = ["STYLES", "Style", "colour", "drawing", "figure_style", "inline_svg", "marker", "svg"]

_PALETTE = ("#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#B8A100")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_GREYS = {"nawm": "#8C8C8C", "hc_white_matter": "#333333"}
OTHER = "#666666"
INK = "#1A1A1A"
RASTER_DPI = 220


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Width and letter size of figures.

    Attributes
    ----------
    width
        Width in inches; figures that need more room (forests) keep it and grow in height.
    font_size
        Letter size in points.
    """

    width: float
    font_size: float


# Widths of journal columns: 1, 1.5 and 2 columns of a 178 mm page.
STYLES = {
    "screen": Style(width=7.0, font_size=9.5),
    "single": Style(width=86 / 25.4, font_size=6.5),
    "onehalf": Style(width=120 / 25.4, font_size=7.5),
    "double": Style(width=178 / 25.4, font_size=8.5),
}


def figure_style(name: str) -> Style:
    """Return the style called `name`.

    Raises
    ------
    UsageError
        If there is no such style.
    """
    if name not in STYLES:
        raise UsageError(f"style '{name}' is none of {', '.join(STYLES)}")
    return STYLES[name]


def colour(level: str) -> str:
    """Return the colour of a level: that of its lesion type, grey for white matter."""
    if level in _GREYS:
        return _GREYS[level]
    types = lesion_types()
    return _PALETTE[types.index(level) % len(_PALETTE)] if level in types else OTHER


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
        "svg.fonttype": "none",
        "svg.hashsalt": "qsmstats",
        "pdf.fonttype": 42,
        "figure.dpi": RASTER_DPI,
        "savefig.dpi": RASTER_DPI,
    }
    with mpl.rc_context(settings):
        yield


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document; the same figure gives the same bytes.

    Call within `drawing`: the settings for text and identifiers are read when saving.
    """
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue().decode("utf-8")


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
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    # The global rule of the document would reach the whole page.
    element = re.sub(r"<style.*?</style>", "", element, count=1, flags=re.DOTALL)
    element = re.sub(r'\bid="', f'id="{slug}-', element)
    element = re.sub(r'href="#', f'href="#{slug}-', element)
    element = element.replace("url(#", f"url(#{slug}-")
    opening = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', element)
    width = float(opening[1]) if opening else 0.0
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    head = (
        f'role="img" aria-label="{label}" width="{width * 4 / 3:.0f}"'
        ' style="stroke-linejoin: round; stroke-linecap: butt"'
    )
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: head, element, count=1).strip()
