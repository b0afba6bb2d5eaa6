"""White matter by scanner: what differs between scanners before any model is fitted."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from qsmstats.plot.answers import with_columns
from qsmstats.plot.look import Palette, axes_or_current, colours, grid_behind
from qsmstats.wording.names import short_title

__all__ = ["scanners"]

WHITE_MATTER = ("nawm", "hc_white_matter")
GOLDEN = 0.6180339887498949
THICK = 0.7
LETTERS = 16
"""Letters of a scanner's name in one line."""


def scanners(
    data: pd.DataFrame,
    value: str,
    *,
    by: str = "scanner",
    hue: str = "tissue",
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw a point per row, and median and quartiles of each scanner and tissue.

    Parameters
    ----------
    data
        Columns `value` (number), `by` and `hue`, as `tissue_table` returns them; rows without one
        of them are left out.
    value
        Column to draw.
    by
        Column of the scanners, which are rows in the order of their names.
    hue
        Column of the tissues.
    order
        Tissues to draw; by default white matter, of patients and of controls.
    palette
        Colours, as seaborn takes them; by default those of the tissues.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> tissue = pd.DataFrame({"scanner": list("AABB"), "tissue": "nawm", "ndi": 0.6})
    >>> axes = scanners(tissue, "ndi")
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['A\nn = 2', 'B\nn = 2']
    """
    axes = axes_or_current(ax)
    rows = with_columns(data, by, hue, value)[[by, hue, value]].dropna()
    rows = rows.astype({by: "str", hue: "str", value: "float64"})
    there = {*rows[hue]}
    levels = [one for one in WHITE_MATTER if one in there] if order is None else list(order)
    rows = rows[rows[hue].isin(levels)]
    names, hues = sorted(rows[by].unique()), colours(levels, palette)
    _points(rows, axes, value=value, rows_at=rows[by].map(names.index), hue=hue, hues=hues)
    if len(rows):
        sns.pointplot(
            rows,
            x=value,
            y=by,
            hue=hue,
            order=names,
            hue_order=levels,
            palette=hues,
            estimator="median",
            errorbar=("pi", 50),
            dodge=THICK * (len(levels) - 1) / len(levels) or False,
            linestyle="none",
            marker="D",
            markersize=4.5,
            err_kws={"linewidth": 1.4},
            legend=False,
            ax=axes,
        )
    sizes = rows[by].value_counts()
    labels = [f"{textwrap.fill(name, LETTERS)}\nn = {sizes[name]:,}" for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlabel=value, ylabel="")
    grid_behind(axes, "x")
    return axes


def _points(
    rows: pd.DataFrame,
    axes: Axes,
    *,
    value: str,
    rows_at: pd.Series,
    hue: str,
    hues: Mapping[str, Any],
) -> None:
    """Draw the values of each tissue beside one another, in the rows of their scanners."""
    for place, level in enumerate(hues):
        mine = rows[hue] == level
        middle = ((place + 0.5) / len(hues) - 0.5) * THICK
        # Multiples of the golden ratio spread evenly at every count, without a random number.
        jitter = (np.arange(mine.sum()) * GOLDEN) % 1.0 - 0.5
        axes.scatter(
            rows.loc[mine, value],
            rows_at[mine] + middle + 0.6 * THICK / len(hues) * jitter,
            s=7,
            color=hues[level],
            alpha=0.45,
            linewidth=0,
            label=short_title(level),
            rasterized=len(rows) > 1000,
        )
