"""Forests: estimates with their intervals, one row each, and their numbers written beside them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.style import INK

__all__ = ["forest"]


def forest(
    frame: pd.DataFrame, axes: Axes, *, reference: float | None = 0.0, column_title: str = ""
) -> Axes:
    """Draw one row per estimate, the first row on top.

    Parameters
    ----------
    frame
        Columns label, estimate, conf_low, conf_high; optional: text (written at the right),
        colour, marker, and filled (False: the marker is drawn hollow).
    axes
        Axes to draw on.
    reference
        Where the line of no effect stands; None for no line.
    column_title
        Heading of the texts at the right.

    Returns
    -------
    Axes
    """
    rows = len(frame)
    if reference is not None:
        axes.axvline(reference, color="#777777", linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    for position, (_, row) in zip(range(rows - 1, -1, -1), frame.iterrows(), strict=True):
        _row(row, axes, position)
    axes.set_yticks(range(rows - 1, -1, -1), list(frame["label"]))
    axes.set_ylim(-0.6, rows - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    if column_title:
        _beside(column_title, axes, rows - 0.35, va="bottom")
    return axes


def _row(row: pd.Series, axes: Axes, position: float) -> None:
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
    if isinstance(row.get("text"), str):
        _beside(row["text"], axes, position)


def _beside(text: str, axes: Axes, position: float, va: str = "center") -> None:
    axes.text(
        1.02, position, text, transform=axes.get_yaxis_transform(), va=va, ha="left", size="small"
    )
