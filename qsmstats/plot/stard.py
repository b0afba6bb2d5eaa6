"""The STARD diagram: the flow of lesions, and what histology said of each result on QSM."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qsmstats.plot.diagrams import CHAIN, SIDE, box, flow
from qsmstats.plot.look import INK, is_narrow, letters

__all__ = ["stard_diagram", "stard_rows"]

# Heights of the two lower rows in units of one step: results on QSM, and histology below.
STARD_ROWS = (1.15, 1.55)
# The height of one branch where they stand below one another.
NARROW_ROW = 0.85
# More branches than this stand below one another in every figure.
MOST_ABREAST = 4


def stard_diagram(steps: pd.DataFrame, branches: pd.DataFrame, axes: Axes) -> Axes:
    """Draw the steps from top to bottom, and below the last one box per result on QSM.

    Parameters
    ----------
    steps
        As `flow` takes them.
    branches
        Columns result (text of a box) and outcome (text of the box below it), left to right.
    axes
        Axes to draw on; its height should be that of the steps and of `stard_rows`.

    Returns
    -------
    Axes
    """
    flow(steps, ax=axes)
    if branches.empty:
        return axes
    below = _listed if is_narrow(axes) or len(branches) > MOST_ABREAST else _spread
    below(branches, axes, last=-(len(steps) - 1))
    return axes


def stard_rows(branches: int) -> tuple[float, float]:
    """Return the height of the boxes below the chain, in steps: wide, and narrow."""
    if not branches:
        return 0.0, 0.0
    listed = NARROW_ROW * branches
    return listed if branches > MOST_ABREAST else sum(STARD_ROWS), listed


def _spread(branches: pd.DataFrame, axes: Axes, *, last: int) -> None:
    """Draw the branches beside one another below the last step."""
    upper = last - STARD_ROWS[0]
    top = upper - 0.85
    axes.set_ylim(last - sum(STARD_ROWS) - 0.5, 0.5)
    places = (np.arange(len(branches)) + 0.5) / len(branches)
    bar = last - 0.5
    ends = [min(places[0], CHAIN), max(places[-1], CHAIN)]
    axes.plot([CHAIN, CHAIN], [last - 0.25, bar], color=INK, linewidth=0.9)
    axes.plot(ends, [bar, bar], color=INK, linewidth=0.9)
    for place, (_, row) in zip(places, branches.iterrows(), strict=True):
        _boxes(row, axes, (place, bar), (place, upper), (place, top), va="top")


def _listed(branches: pd.DataFrame, axes: Axes, *, last: int) -> None:
    """Draw the branches below one another, what histology said at the right of each."""
    left, right, trunk = 0.26, 0.74, 0.02
    lowest = last - 0.15 - NARROW_ROW * len(branches)
    axes.set_ylim(lowest - 0.35, 0.5)
    axes.plot([trunk, CHAIN], [last, last], color=INK, linewidth=0.9, zorder=1)
    axes.plot([trunk, trunk], [last, lowest], color=INK, linewidth=0.9)
    for line, (_, row) in enumerate(branches.iterrows(), start=1):
        height = last - 0.15 - NARROW_ROW * line
        _boxes(row, axes, (trunk, height), (left, height), (right, height), va="center")


def _boxes(
    row: pd.Series,
    axes: Axes,
    start: tuple[float, float],
    result: tuple[float, float],
    outcome: tuple[float, float],
    va: str,
) -> None:
    box(row["result"], axes, result, above=start, depth=1, size=letters())
    box(row["outcome"], axes, outcome, above=result, look=SIDE, depth=2, va=va, size=letters())
