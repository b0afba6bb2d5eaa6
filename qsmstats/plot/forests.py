"""Forests: estimates with their intervals, one row each, and their numbers written beside them.

Where the figure is narrow, labels and numbers stand above their intervals instead of beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from qsmstats.plot.answers import one_outcome, table_of
from qsmstats.plot.look import (
    FAINT,
    GRID,
    INK,
    Palette,
    axes_or_current,
    colours,
    grid_behind,
    is_narrow,
    letters,
    marker,
)
from qsmstats.wording.estimates import (
    ci_name,
    no_effect,
    quantity_of,
    shown,
    with_pairs_titled,
    with_scale,
)
from qsmstats.wording.names import figure_name, outcome_short, title
from qsmstats.wording.numbers import decimals_of_errors, fixed, interval, p_value, signed

__all__ = ["contrasts", "forest", "forest_height", "forest_rows"]

# Where the words of a row stand above its interval in narrow figures, in rows.
ABOVE = 0.36
LIMITS = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
# Ratios that span more than this have ticks at powers of ten and between.
WIDE_RATIO = 3.0
ROW_INCHES, NARROW_ROW_INCHES = 0.27, 0.42


def forest_height(rows: int) -> tuple[float, float]:
    """Return the height in inches of a figure with one forest: wide, and narrow."""
    return 0.9 + ROW_INCHES * rows, 0.7 + NARROW_ROW_INCHES * rows


def contrasts(
    answer: Any,
    *,
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the contrasts of an answer, or its changes per year, as a forest.

    Filled markers: p below `alpha`. Intervals and p are the adjusted ones, where there are such.

    Parameters
    ----------
    answer
        What `baseline_differences` or `tissue_differences` returns (its ``contrasts`` are drawn) or
        `trajectories` (its ``slopes``), or such a table of one outcome.
    order
        Rows to draw, from the top: names in the column ``contrast``, or lesion types; by default
        those of the table.
    palette
        Colours of the lesion types of slopes, as seaborn takes them. Contrasts are of two types
        and black, unless `palette` maps their names to colours.
    alpha
        p below which a marker is filled.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column, or holds several outcomes.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"contrast": ["a - b"], "first": ["a"], "second": ["b"]})
    >>> table = table.assign(estimate=1.2, std_error=0.5, conf_low=0.2, conf_high=2.2)
    >>> axes = contrasts(table.assign(p_value=0.02, quantity="difference", unit="ppb", null=0.0))
    >>> [text.get_text() for text in axes.texts]
    ['1.20 (0.20 to 2.20), 0.020', 'difference (CI), p']
    """
    axes = axes_or_current(ax)
    table = one_outcome(table_of(answer, "contrasts", "slopes"), *LIMITS)
    pairs = "contrast" in table
    table = table.assign(row=table["contrast" if pairs else "lesion_type"].astype("str"))
    if order is not None:
        table = table.set_index("row", drop=False).reindex(list(order)).dropna(subset=["estimate"])
    names = list(table["row"])
    if pairs:
        labels = list(with_pairs_titled(table)["contrast"]) if "first" in table else names
    else:
        labels = [title(name) for name in names]
    null = no_effect(table)
    rows = forest_rows(table, labels, alpha, signs=not pairs and not null)
    if not pairs or palette is not None:
        rows = rows.assign(colour=list(colours(names, palette).values()))
    if not pairs:
        rows = rows.assign(marker=[marker(name) for name in names])
    adjusted = "p_adjusted" in table
    per = "" if pairs else " per year"
    head = f"{quantity_of(table)}{per} ({ci_name(table, 'CI')}), {'adjusted ' * adjusted}p"
    forest(rows, axes, reference=null, column_title=head)
    if "outcome" in table and len(table):
        axes.set_xlabel(with_scale(table, outcome_short(str(table["outcome"].iloc[0]))))
    return axes


def forest_rows(
    estimates: pd.DataFrame, labels: Iterable[str], alpha: float, *, signs: bool = False
) -> pd.DataFrame:
    """Return the rows of a forest, as `forest` takes them.

    Parameters
    ----------
    estimates
        estimate, std_error, and limits and p as `wording.estimates.shown` takes them.
    labels
        One per row.
    alpha
        p below which a marker is filled.
    signs
        Whether positive numbers are written with their sign.
    """
    rows = shown(estimates)
    decimals = decimals_of_errors(rows["std_error"])
    numbers = [
        f"{(signed if signs else fixed)(estimate, decimals)} ({interval(low, high, decimals)})"
        for estimate, low, high in zip(
            rows["estimate"], rows["conf_low"], rows["conf_high"], strict=True
        )
    ]
    return rows[["estimate", "conf_low", "conf_high"]].assign(
        label=list(labels),
        filled=rows["p"] < alpha,
        text=[f"{text}, {p_value(p)}" for text, p in zip(numbers, rows["p"], strict=True)],
        brief=numbers,
    )


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
        axes.axvline(reference, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
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
    grid_behind(axes, "x")
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
            label, height = figure_name(row["label"], 30, lines=1), position + ABOVE
            _text(label, axes, (0.0, height), va="center", ha="left", halo=True)
            text = row.get("brief", row["text"])
            if isinstance(text, str):
                _text(text, axes, (1.0, height), va="center", ha="right", halo=True)
            axes.axhline(position - 0.5 + 0.12, color=GRID, linewidth=0.6, zorder=0)
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
        *place, text, transform=axes.get_yaxis_transform(), va=va, ha=ha, size=letters(), bbox=box
    )
