"""The adjusted differences of all pairs as a triangle, row by row beside rainclouds.

Ten brackets over five clouds cross one another; a triangle holds the same numbers in a fixed place:
the cell in the row of one level and the column of another is their difference, row minus column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qsmstats.plot.look import colour, letters, marker
from qsmstats.wording.estimates import shown
from qsmstats.wording.names import figure_name, short_title
from qsmstats.wording.numbers import decimals_of_errors, fixed, p_value

__all__ = ["pair_triangle"]

# Cells have their own paper, and letters that are read on it, where the page around is dark.
TOLD, OPEN, INK = "#D9E4EE", "#FDFDFD", "#1B1B1B"
EDGE, FAINT = "#B8BEC4", "#444444"
# Half the size of a cell, in columns and rows.
HALF_WIDTH, HALF_HEIGHT = 0.46, 0.4
# Levels whose names and numbers fit their columns at the figure's letter size.
WIDE = 6


def pair_triangle(
    contrasts: pd.DataFrame,
    axes: Axes,
    *,
    levels: Sequence[str],
    alpha: float,
    name_rows: bool = False,
) -> Axes:
    """Write each pair's difference (or ratio) and adjusted p into its cell; tint those shown.

    Parameters
    ----------
    contrasts
        Columns first and second (first before second in `levels`), estimate, std_error, limits and
        p, as `estimates.shown` takes them.
    axes
        Axes to draw on. The first level's row is on top at height ``len(levels) - 1``, as
        `rainclouds` has it.
    levels
        The levels in order.
    alpha
        Adjusted p below which a cell is tinted.
    name_rows
        Whether the rows are named, where no clouds stand beside them.

    Returns
    -------
    Axes
    """
    place = {level: number for number, level in enumerate(levels)}
    # Cells of more than six levels are narrower than their numbers.
    size = letters(min(1.0, WIDE / len(levels)))
    small: dict[str, Any] = {"size": letters(0.833 * min(1.0, WIDE / len(levels))), "color": FAINT}
    decimals = decimals_of_errors(contrasts["std_error"])
    rows = shown(contrasts)
    cells = rows[["first", "second", "estimate", "p"]]
    for row, column, estimate, p in cells.itertuples(index=False, name=None):
        if row in place and column in place:
            x, y = place[column], len(levels) - 1 - place[row]
            box = Rectangle((x - HALF_WIDTH, y - HALF_HEIGHT), 2 * HALF_WIDTH, 2 * HALF_HEIGHT)
            box.set(facecolor=TOLD if p < alpha else OPEN, edgecolor=EDGE, linewidth=0.6)
            axes.add_patch(box)
            number = fixed(estimate, decimals)
            axes.text(x, y + 0.03, number, ha="center", va="bottom", size=size, color=INK)
            axes.text(x, y - 0.03, p_value(p), ha="center", va="top", **small)
    columns = range(1, len(levels))
    # Long words would meet those of the next column.
    longest = 10 if len(levels) <= WIDE else 7
    names = [
        figure_name(short_title(level).replace("intense", "- intense"), longest, lines=3)
        for level in levels[1:]
    ]
    axes.xaxis.tick_top()
    axes.set_xticks(list(columns), names, size=letters())
    for column, level in zip(columns, levels[1:], strict=True):
        height = len(levels) - 1 + HALF_HEIGHT + 0.14
        axes.plot([column], [height], marker=marker(level), color=colour(level), markersize=5)
    if name_rows:
        heights = range(len(levels) - 1, 0, -1)
        axes.set_yticks(list(heights), [figure_name(short_title(level)) for level in levels[:-1]])
    axes.set_xlim(0.5, len(levels) - 0.5)
    axes.set_ylim(0.5 if name_rows else -0.5, len(levels) - 0.3)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
