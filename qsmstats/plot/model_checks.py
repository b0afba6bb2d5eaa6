"""Model checks: normal quantile plots and residuals against fitted values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from numpy.typing import ArrayLike
from scipy.stats import norm

from qsmstats.plot.answers import one_outcome, table_of
from qsmstats.plot.look import INK, MOST_POINTS, Palette, axes_or_current, colours, sampled
from qsmstats.wording.names import present_levels, short_title

__all__ = ["normal_quantiles", "residuals"]

GUIDE = "#999999"
BINS = 10
# Fewer residuals per bin than this, and the line of means would show noise.
FEWEST = 20
# So many values at either end of a quantile plot are drawn in any case.
TAIL = 200


def _size(dots: int) -> float:
    """Return the area of a dot: few are seen, and many do not hide one another."""
    return float(np.clip(2500 / max(dots, 1), 3.0, 14.0))


def normal_quantiles(values: ArrayLike, axes: Axes) -> Axes:
    """Draw sorted values, standardised, against the quantiles of the normal distribution.

    Plotting positions (i - 1/2) / n; the line is the identity. Of more than 2,000 values the 200 at
    either end and a random sample of the others are drawn.

    Parameters
    ----------
    values
        Residuals or predicted random effects, shape (n,).
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    sample = np.sort(np.asarray(values, dtype=np.float64))
    sample = sample[np.isfinite(sample)]
    spread = sample.std(ddof=1) if len(sample) > 1 else 0.0
    if spread == 0:
        axes.text(0.5, 0.5, "all values are equal", transform=axes.transAxes, ha="center")
        return axes
    expected = norm.ppf((np.arange(len(sample)) + 0.5) / len(sample))
    scaled = (sample - sample.mean()) / spread
    ends = [expected[0], expected[-1]]
    axes.plot(ends, ends, color=GUIDE, linewidth=1)
    shown = sampled(len(sample), MOST_POINTS - 2 * TAIL)
    # What bends away does so at the ends.
    ranks = np.arange(len(sample))
    shown = np.union1d(shown, [*ranks[:TAIL], *ranks[-TAIL:]])
    axes.scatter(
        expected[shown],
        scaled[shown],
        s=_size(len(shown)),
        color=INK,
        alpha=0.6,
        linewidth=0,
        rasterized=True,
    )
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("standardised value")
    return axes


def residuals(
    answer: Any,
    *,
    hue: str = "level",
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw residuals against fitted values, with the mean of each tenth of the fitted values.

    Of more than 2,000 rows a random sample of 2,000 is drawn, the same each time; the means are
    those of all.

    Parameters
    ----------
    answer
        What a study returns (its ``residuals`` are drawn), a fit, or a table of fitted and
        residual.
    hue
        Column of the levels that give the colours, where the table has it.
    order
        Levels to draw; by default those that occur, lesion types in their order.
    palette
        Colours, as seaborn takes them; by default those of the lesion types.
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
    >>> table = pd.DataFrame({"fitted": [1.0, 2.0], "residual": [0.5, -0.5]})
    >>> axes = residuals(table)
    >>> axes.collections[0].get_offsets().tolist()
    [[1.0, 0.5], [2.0, -0.5]]
    """
    axes = axes_or_current(ax)
    if hasattr(answer, "fittedvalues"):
        answer = pd.DataFrame({"fitted": answer.fittedvalues, "residual": answer.resid})
    table = one_outcome(table_of(answer, "residuals"), "fitted", "residual")
    levels = [""]
    if hue in table:
        levels = list(order) if order is not None else present_levels(table[hue].astype("str"))
        table = table[table[hue].isin(levels)]
    hues = colours(levels, palette)
    rows = table.dropna(subset=["fitted", "residual"]).sort_values("fitted", kind="stable")
    axes.axhline(0, color=GUIDE, linewidth=1)
    dots = rows.iloc[sampled(len(rows))]
    look: dict[str, Any] = {
        "s": _size(len(dots)),
        "alpha": float(np.clip(150 / max(len(dots), 1), 0.2, 0.8)),
        "linewidth": 0,
    }
    # As many panels as there are types: seaborn's scatterplot asks each for its ticks first.
    if hue in table:
        each = to_rgba_array([hues[level] for level in levels])
        shades = each[pd.Categorical(dots[hue], categories=levels).codes]
    else:
        shades = hues[""]
    axes.scatter(dots["fitted"], dots["residual"], color=shades, rasterized=True, **look)
    if len(levels) > 1:
        for level in levels:
            axes.scatter([], [], color=hues[level], label=short_title(level), **look)
        axes.legend(frameon=False, markerscale=2)
    for level in levels:
        mine = rows[rows[hue] == level] if hue in table else rows
        if len(mine) >= FEWEST * BINS:
            mine = mine[["fitted", "residual"]]
            tenths = [mine.iloc[part].mean() for part in np.array_split(np.arange(len(mine)), BINS)]
            middle = pd.DataFrame(tenths)
            shade = INK if len(levels) == 1 else hues[level]
            axes.plot(middle["fitted"], middle["residual"], color=shade, linewidth=1.5)
    # Inner panels of a shared axis have no label, as they have no numbers.
    axes.set_xlabel("fitted value", visible=axes.xaxis.get_tick_params().get("labelbottom", True))
    axes.set_ylabel("residual", visible=axes.yaxis.get_tick_params().get("labelleft", True))
    return axes
