"""Forests: estimates with their intervals, one row each, and their numbers written beside them.

Where the figure is narrow, labels and numbers stand above their intervals instead of beside them.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from qsmstats.report.figures.style import INK, is_narrow
from qsmstats.report.wording.names import figure_name

__all__ = ["forest", "forest_height"]

# Where the words of a row stand above its interval in narrow figures, in rows.
ABOVE = 0.36
# Ratios that span more than this have ticks at powers of ten and between.
WIDE_RATIO = 3.0
ROW_INCHES, NARROW_ROW_INCHES = 0.27, 0.42


def forest_height(rows: int) -> tuple[float, float]:
    """Return the height in inches of a figure with one forest: wide, and narrow."""
    return 0.9 + ROW_INCHES * rows, 0.7 + NARROW_ROW_INCHES * rows


def forest(
    frame: pd.DataFrame, axes: Axes, *, reference: float | None = 0.0, column_title: str = ""
) -> Axes:
    """Draw one row per estimate, the first row on top.

    Parameters
    ----------
    frame
        Columns label, estimate, conf_low, conf_high; optional: text (written at the right),
        brief (a shorter text for narrow figures), colour, marker, and filled (False: the marker is
        drawn hollow).
    axes
        Axes to draw on.
    reference
        Where the line of no effect stands; None for no line. At 1 the estimates are ratios, and
        the axis is logarithmic.
    column_title
        Heading of the texts at the right; narrow figures go without.

    Returns
    -------
    Axes
    """
    rows = len(frame)
    if reference == 1.0:
        axes.set_xscale("log")
        wide = frame["conf_high"].max() > WIDE_RATIO * frame["conf_low"].min()
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
            if wide
            else MaxNLocator(5, steps=[1, 2, 5, 10])
        )
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    if reference is not None:
        axes.axvline(reference, color="#777777", linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    for position, (_, row) in zip(range(rows - 1, -1, -1), frame.iterrows(), strict=True):
        hue = row.get("colour", INK)
        if pd.notna(row["conf_low"]) and pd.notna(row["conf_high"]):
            ends = [row["conf_low"], row["conf_high"]]
            axes.plot(ends, [position] * 2, color=hue, linewidth=1.6, solid_capstyle="butt")
        axes.plot(
            [row["estimate"]],
            [position],
            marker=row.get("marker", "o"),
            markersize=5.5,
            color=hue,
            markerfacecolor=hue if row.get("filled", True) else "white",
            markeredgewidth=1.3,
            linestyle="none",
        )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    _write_rows(frame, axes, column_title)
    return axes


def _write_rows(frame: pd.DataFrame, axes: Axes, column_title: str) -> None:
    """Write the label and the text of each row: beside it, or above it in narrow figures."""
    heights = range(len(frame) - 1, -1, -1)
    if "text" in frame and is_narrow(axes):
        axes.set_yticks([])
        if axes.get_xscale() == "linear":
            axes.locator_params(axis="x", nbins=4)
        axes.set_ylim(-0.5, len(frame) - 0.2)
        for position, (_, row) in zip(heights, frame.iterrows(), strict=True):
            label, height = figure_name(row["label"], 24, lines=1), position + ABOVE
            _text(label, axes, (0.0, height), va="center", ha="left", halo=True)
            text = row.get("brief", row["text"])
            if isinstance(text, str):
                _text(text, axes, (1.0, height), va="center", ha="right", halo=True)
            axes.axhline(position - 0.5 + 0.12, color="#EAEAEA", linewidth=0.6, zorder=0)
        return
    axes.set_yticks(list(heights), [figure_name(label, 44, lines=1) for label in frame["label"]])
    axes.set_ylim(-0.6, len(frame) - 0.4)
    texts = frame["text"] if "text" in frame else [None] * len(frame)
    for position, text in zip(heights, texts, strict=True):
        if isinstance(text, str):
            _text(text, axes, (1.02, position), va="center", ha="left")
    if column_title:
        _text(column_title, axes, (1.02, len(frame) - 0.35), va="bottom", ha="left")


def _text(
    text: str, axes: Axes, place: tuple[float, float], *, va: str, ha: str, halo: bool = False
) -> None:
    """Write at a share of the width and a height in rows."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5} if halo else None
    axes.text(
        *place, text, transform=axes.get_yaxis_transform(), va=va, ha=ha, size="small", bbox=box
    )
