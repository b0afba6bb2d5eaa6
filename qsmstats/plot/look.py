"""How every figure looks: one colour and one marker per lesion type, letters, widths of columns.

Colours are those of Okabe and Ito (2008, "Color universal design"), which stay apart for the three
common kinds of colour blindness; a marker per type says the same again without colour. Axes, ticks
and grid are those of seaborn's theme "ticks".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsmstats.arrays import Integers
from qsmstats.errors import UsageError
from qsmstats.wording.names import lesion_types, schemas_in_use

__all__ = [
    "EDGE",
    "FAINT",
    "GRID",
    "INK",
    "MOST_POINTS",
    "STYLES",
    "Palette",
    "Style",
    "axes_or_current",
    "colour",
    "colours",
    "drawing",
    "figure_style",
    "grid_behind",
    "is_narrow",
    "letters",
    "marker",
    "sampled",
]

Palette = str | Sequence[Any] | Mapping[str, Any]
"""As seaborn takes them: a name, colours in the order of the levels, or a colour per level."""

_PALETTE = ("#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#E3D500", "#882255")
# Two or three types of a study's own get those that differ most.
_OWN_PALETTE = tuple(_PALETTE[place] for place in (0, 4, 3, 5, 2, 1, 6, 7))
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_GREYS = {"nawm": "#8C8C8C", "hc_white_matter": "#333333"}
OTHER = "#666666"
# Text; lines of axes; lines of no effect; grid. A dark page replaces them, and white.
INK, EDGE, FAINT, GRID = "#1A1A1A", "#555555", "#777777", "#EAEAEA"
# Below this width, in letter heights, panels stand below one another.
NARROW_EM = 42.0
# More points of one cloud hide one another, and take longer to draw than all else.
MOST_POINTS = 2000
# The smallest letters that journals print.
LEAST_POINTS = 7.0
POINTS_PER_INCH = 72.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Width and letters of figures.

    Attributes
    ----------
    width
        Width in inches; figures that need more room (forests) keep it and grow in height.
    font_size
        Letter size in points; the smallest letters of a figure have five sixths of it.
    dpi
        Dots per inch of PNG files, and of point clouds, which are drawn as pixels.
    font
        Name of an installed font; empty for the one that matplotlib brings.
    """

    width: float
    font_size: float
    dpi: int = 200
    font: str = ""


# Widths of journal columns: 1, 1.5 and 2 columns of a 178 mm page.
STYLES = {
    "screen": Style(width=7.0, font_size=9.5),
    "single": Style(width=86 / 25.4, font_size=8.5),
    "onehalf": Style(width=120 / 25.4, font_size=8.5),
    "double": Style(width=178 / 25.4, font_size=8.5),
}


def figure_style(name: str = "screen", *, font: str = "", dpi: int | None = None) -> Style:
    """Return the style called `name`, in another font or resolution where one is given.

    Parameters
    ----------
    name
        "screen", or "single", "onehalf" or "double" for the columns of a journal (86, 120 and
        178 mm).
    font
        Name of an installed font, such as "Arial".
    dpi
        Dots per inch of PNG files and of point clouds.

    Raises
    ------
    UsageError
        If there is no such style or font, or `dpi` is not from 50 to 2400.

    Examples
    --------
    >>> figure_style("double", dpi=600).dpi
    600
    """
    if name not in STYLES:
        raise UsageError(f"style '{name}' is not available; use one of {', '.join(STYLES)}")
    style = STYLES[name]
    if font:
        known = sorted(set(font_manager.get_font_names()))
        if font not in known:
            near = difflib.get_close_matches(font, known, 3, 0.4) or known[:3]
            raise UsageError(
                f"font '{font}' is not installed on this computer; install it, or use another one,"
                f" such as {', '.join(near)}"
            )
        style = replace(style, font=font)
    if dpi is not None:
        if not 50 <= dpi <= 2400:
            raise UsageError(f"dpi {dpi} is out of range; use a number from 50 to 2400")
        style = replace(style, dpi=dpi)
    return style


@contextmanager
def drawing(style: Style = STYLES["screen"]) -> Iterator[None]:
    """Within, figures are drawn and saved in `style`; matplotlib's settings return afterwards.

    Text stays text in SVG and PDF, so that a journal's editor can change it.

    Examples
    --------
    >>> with drawing(figure_style("single")):
    ...     mpl.rcParams["font.size"], mpl.rcParams["pdf.fonttype"]
    (8.5, 42)
    """
    size = style.font_size
    fonts = ["DejaVu Sans", "Verdana", "Arial", "sans-serif"]
    settings: dict[Any, Any] = {
        **sns.axes_style("ticks"),
        "font.family": "sans-serif",
        # The first is bundled with matplotlib, so that the layout is the same everywhere.
        "font.sans-serif": [style.font, *fonts] if style.font else fonts,
        "font.size": size,
        **dict.fromkeys(("axes.titlesize", "axes.labelsize", "legend.title_fontsize"), size),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), size * 0.92),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": EDGE,
        "axes.linewidth": 0.7,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        **dict.fromkeys(("axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
        "axes.unicode_minus": True,
        # Dollar signs in names of a study are no formulas.
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "qsmstats",
        "pdf.fonttype": 42,
        # Nothing is cut at the frame.
        "figure.constrained_layout.use": True,
        "figure.figsize": (style.width, 0.6 * style.width),
        "figure.dpi": style.dpi,
        "savefig.dpi": style.dpi,
    }
    with mpl.rc_context(settings):
        yield


def axes_or_current(axes: Axes | None) -> Axes:
    """Return the axes, or pyplot's current ones, as seaborn has it."""
    return plt.gca() if axes is None else axes


def letters(share: float = 5 / 6) -> float:
    """Return a share of the letter size in points that journals still print."""
    return max(share * float(mpl.rcParams["font.size"]), LEAST_POINTS)


def grid_behind(axes: Axes, axis: Any) -> None:
    """Draw faint lines along one axis, behind everything else."""
    axes.grid(axis=axis, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


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


def colours(levels: Sequence[str], palette: Palette | None = None) -> dict[str, Any]:
    """Return the colour of each level, as seaborn reads `palette`; by default that of its type.

    Levels that are no lesion type, where there are several, get the palette in their order.
    """
    if isinstance(palette, Mapping):
        return {level: palette.get(level, colour(level)) for level in levels}
    known = {level: colour(level) for level in levels}
    if palette is None and (len(levels) < 2 or set(known.values()) != {OTHER}):
        return known
    chosen = sns.color_palette(_OWN_PALETTE if palette is None else palette, len(levels))
    return dict(zip(levels, chosen, strict=True))


def marker(level: str) -> str:
    """Return the marker of a level, so that colour is never the only sign."""
    types = lesion_types()
    return _MARKERS[types.index(level) % len(_MARKERS)] if level in types else "o"


def sampled(count: int, most: int = MOST_POINTS) -> Integers:
    """Return which of `count` points are drawn: all, or of many a sample, the same each time.

    Examples
    --------
    >>> sampled(3), len(sampled(5000))
    (array([0, 1, 2]), 2000)
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(1).choice(count, most, replace=False))


def is_narrow(drawn: Figure | Axes) -> bool:
    """Return whether a figure is too narrow for panels beside one another at its letter size.

    Call within `drawing`, with the figure or one of its axes. True for a single column of a
    journal.
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    if figure is None:
        return False
    return bool(figure.get_figwidth() * POINTS_PER_INCH / mpl.rcParams["font.size"] < NARROW_EM)
